//! Scripts made from bytes: valid Lua that asks for too much: loops without end, strings and tables
//! without measure, calls without bottom, patterns that multiply.

use crate::commands::Choices;

/// Functions that scripts may call with whatever arguments.
const FUNCTIONS: [&str; 63] = [
    "string.rep",
    "string.find",
    "string.match",
    "string.gmatch",
    "string.gsub",
    "string.format",
    "string.byte",
    "string.char",
    "string.sub",
    "string.reverse",
    "string.upper",
    "string.len",
    "string.dump",
    "table.concat",
    "table.insert",
    "table.remove",
    "table.sort",
    "table.maxn",
    "table.getn",
    "table.foreach",
    "unpack",
    "select",
    "tostring",
    "tonumber",
    "type",
    "pcall",
    "xpcall",
    "error",
    "next",
    "pairs",
    "ipairs",
    "rawget",
    "rawset",
    "rawequal",
    "setmetatable",
    "getmetatable",
    "loadstring",
    "load",
    "coroutine.wrap",
    "coroutine.create",
    "coroutine.resume",
    "coroutine.yield",
    "math.random",
    "math.floor",
    "cjson.encode",
    "cjson.decode",
    "cjson.encode_max_depth",
    "cjson.decode_max_depth",
    "cjson.encode_sparse_array",
    "cmsgpack.pack",
    "cmsgpack.unpack",
    "cmsgpack.unpack_limit",
    "struct.pack",
    "struct.unpack",
    "struct.size",
    "bit.lshift",
    "bit.tohex",
    "redis.call",
    "redis.pcall",
    "redis.sha1hex",
    "redis.error_reply",
    "redis.status_reply",
    "collectgarbage",
];

const ATOMS: [&str; 44] = [
    "a",
    "b",
    "c",
    "f",
    "nil",
    "true",
    "false",
    "0",
    "1",
    "-1",
    "2",
    "3",
    "7",
    "100",
    "8000",
    "65536",
    "1e6",
    "2^31",
    "-2^31",
    "2^53",
    "1e308",
    "1/0",
    "0/0",
    "''",
    "'x'",
    "'a*'",
    "'(.-)'",
    "'%b()'",
    "'%f[%a]'",
    "'[^a]+'",
    "'%'",
    "'('",
    "'%s'",
    "'%99.99f'",
    "'set'",
    "'get'",
    "'keys'",
    "'lrange'",
    "'\\0'",
    "'\\145'",
    "'[1,2,{\"a\":[]}]'",
    "'i4s'",
    "'stop'",
    "'return f()'",
];

/// The source of a script.
pub fn script(choices: &mut Choices<'_>) -> String {
    let mut source = String::from("local a, b, c, f = {}, 'ab', 5 f = function(...) ");
    block(choices, &mut source, 2);
    source.push_str("end ");
    block(choices, &mut source, 4);
    source
}

fn block(choices: &mut Choices<'_>, source: &mut String, depth: usize) {
    for _ in 0..=choices.below(3) {
        statement(choices, source, depth);
    }
    // What stands last may leave.
    if choices.below(4) == 0 {
        source.push_str("return ");
        expression(choices, source, depth);
        source.push(' ');
    }
}

fn statement(choices: &mut Choices<'_>, source: &mut String, depth: usize) {
    let kind = if depth == 0 {
        choices.below(3)
    } else {
        choices.below(9)
    };
    match kind {
        0 | 1 => {
            source.push_str(["a = ", "b = ", "c = "][choices.below(3)]);
            expression(choices, source, depth);
        }
        2 => {
            source.push_str("if type(a) == 'table' then a[");
            // A key must be something.
            expression(choices, source, 0);
            source.push_str(" or 1] = ");
            expression(choices, source, depth);
            source.push_str(" end");
        }
        3 => {
            source.push_str("while ");
            expression(choices, source, 1);
            source.push_str(" do ");
            block(choices, source, depth - 1);
            source.push_str("end");
        }
        4 => {
            source.push_str("for i = 1, ");
            expression(choices, source, 0);
            source.push_str(" do ");
            block(choices, source, depth - 1);
            source.push_str("end");
        }
        5 => {
            source.push_str("pcall(function() ");
            block(choices, source, depth - 1);
            source.push_str("end)");
        }
        6 => source.push_str("a = {a, a, b}"),
        7 => source.push_str("if type(b) == 'string' then b = b .. b end"),
        _ => {
            source.push_str("local _ = ");
            call(choices, source, depth);
        }
    }
    source.push(' ');
}

fn expression(choices: &mut Choices<'_>, source: &mut String, depth: usize) {
    let kind = if depth == 0 { 0 } else { choices.below(8) };
    match kind {
        0..=2 => source.push_str(ATOMS[choices.below(ATOMS.len())]),
        3 => {
            source.push('{');
            for _ in 0..choices.below(3) {
                expression(choices, source, depth - 1);
                source.push(',');
            }
            source.push('}');
        }
        4 => {
            source.push_str("function(...) ");
            block(choices, source, depth - 1);
            source.push_str("end");
        }
        5 => source.push_str("f(...)"),
        _ => call(choices, source, depth),
    }
}

fn call(choices: &mut Choices<'_>, source: &mut String, depth: usize) {
    let function = FUNCTIONS[choices.below(FUNCTIONS.len())];
    // Most calls of nonsense fail, and a script that fails is over.
    source.push_str("(select(2, pcall(");
    source.push_str(function);
    for _ in 0..choices.below(4) {
        source.push_str(", ");
        expression(choices, source, depth.saturating_sub(1));
    }
    source.push_str(")))");
}
