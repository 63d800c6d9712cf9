//! Replies of commands as Lua values.

use oxidis_resp::{ReplyParser, Value};

use crate::lua::{Frame, Raise};

/// Pushes what a reply is for a script.
pub(crate) fn push_reply(frame: &mut Frame<'_>, reply: &[u8]) -> Result<(), Raise> {
    if push_short(frame, reply).is_some() {
        return Ok(());
    }
    match ReplyParser::new().parse(reply) {
        Ok(parsed) => match parsed.value {
            Some(value) => push(frame, &value),
            None => Err("the command gave half a reply".into()),
        },
        Err(error) => Err(error.to_string().into()),
    }
}

/// Pushes the replies that most commands give, which need no parser: integers and strings.
fn push_short(frame: &mut Frame<'_>, reply: &[u8]) -> Option<()> {
    let (kind, rest) = reply.split_first()?;
    let end = rest.iter().position(|&byte| byte == b'\r')?;
    let number = || -> Option<i64> { str::from_utf8(&rest[..end]).ok()?.parse().ok() };
    match kind {
        b':' => frame.push_number(number()? as f64),
        b'$' => match usize::try_from(number()?) {
            Ok(len) => frame.push_bytes(rest.get(end + 2..end + 2 + len)?),
            Err(_) => frame.push_boolean(false),
        },
        b'+' => push_single(frame, "ok", &rest[..end]),
        _ => return None,
    }
    Some(())
}

/// Pushes a table with one field, a string.
fn push_single(frame: &mut Frame<'_>, name: &str, bytes: &[u8]) {
    frame.push_table(0, 1);
    frame.push_bytes(bytes);
    frame.set_field(-2, name);
}

fn push(frame: &mut Frame<'_>, value: &Value) -> Result<(), Raise> {
    frame.check_memory()?;
    if !frame.ensure_stack(8) {
        return Err("reached lua stack limit".into());
    }
    match value {
        Value::Simple(text) => push_single(frame, "ok", text),
        Value::Error(text) | Value::BulkError(text) => {
            push_single(frame, "err", text);
            // The command has counted it.
            frame.push_boolean(true);
            frame.set_field(-2, "ignore_error_stats_update");
        }
        Value::Integer(number) => frame.push_number(*number as f64),
        Value::Bulk(bytes) => frame.push_bytes(bytes),
        Value::Verbatim { format, text } => {
            frame.push_table(0, 1);
            frame.push_table(0, 2);
            frame.push_bytes(text);
            frame.set_field(-2, "string");
            frame.push_bytes(format);
            frame.set_field(-2, "format");
            frame.set_field(-2, "verbatim_string");
        }
        Value::Double(text) => {
            frame.push_table(0, 1);
            frame.push_number(text.parse().unwrap_or(f64::NAN));
            frame.set_field(-2, "double");
        }
        Value::BigNumber(text) => push_single(frame, "big_number", text.as_bytes()),
        Value::Boolean(value) => frame.push_boolean(*value),
        Value::Null => frame.push_nil(),
        Value::NullBulk | Value::NullArray => frame.push_boolean(false),
        Value::Array(elements) | Value::Push(elements) => {
            // Where a table has holes, its length depends on how it grew.
            let has_holes = elements.contains(&Value::Null);
            frame.push_table(if has_holes { 0 } else { elements.len() }, 0);
            for (index, element) in elements.iter().enumerate() {
                push(frame, element)?;
                frame.set_at(-2, index + 1);
            }
        }
        Value::Set(elements) => {
            frame.push_table(0, 1);
            // The order of its keys depends on how a table grew.
            frame.push_table(0, 0);
            for element in elements {
                push_key(frame, element)?;
                frame.push_boolean(true);
                frame.set(-3);
            }
            frame.set_field(-2, "set");
        }
        Value::Map(pairs) => {
            frame.push_table(0, 1);
            frame.push_table(0, 0);
            for (key, value) in pairs {
                push_key(frame, key)?;
                push(frame, value)?;
                frame.set(-3);
            }
            frame.set_field(-2, "map");
        }
        // Scripts do not see attributes.
        Value::Attribute { value, .. } => push(frame, value)?,
    }
    Ok(())
}

/// Pushes a value that becomes a key, which Lua does not allow nil to be.
fn push_key(frame: &mut Frame<'_>, value: &Value) -> Result<(), Raise> {
    match value {
        Value::Null => Err("table index is nil".into()),
        value => push(frame, value),
    }
}
