//! CLIENT TRACKING, CACHING, GETREDIR and TRACKINGINFO. How keys are tracked stands in `tracking`;
//! the rows stand with those of the other subcommands.

use crate::command::{CommandError, CommandResult, Context, Reply};
use crate::text::parse_integer;
use crate::tracking::{self, TrackingFlags, TrackingRequest};

pub(super) fn client_tracking(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let request = parse(cx)?;
    if cx.arg_is(2, "ON") {
        tracking::enable(&cx.worker.engine, cx.client, &request)?;
    } else if cx.arg_is(2, "OFF") {
        tracking::disable(&cx.worker.engine, cx.client);
    } else {
        return Err(CommandError::Syntax);
    }
    out.ok();
    Ok(())
}

/// The options behind ON or OFF; those behind OFF must be right, too, but have no effect.
fn parse<'a>(cx: &Context<'a>) -> Result<TrackingRequest<'a>, CommandError> {
    let mut request = TrackingRequest::default();
    let mut index = 3;
    while index < cx.argc() {
        let has_value = index + 1 < cx.argc();
        if cx.arg_is(index, "REDIRECT") && has_value {
            index += 1;
            if request.redirect != 0 {
                return Err(CommandError::text(
                    "ERR A client can only redirect to a single other client",
                ));
            }
            request.redirect = redirect_argument(cx, index)?;
        } else if cx.arg_is(index, "PREFIX") && has_value {
            index += 1;
            request.prefixes.push(cx.arg(index));
        } else {
            request.flags |= match &cx.arg(index).to_ascii_lowercase()[..] {
                b"bcast" => TrackingFlags::BCAST,
                b"optin" => TrackingFlags::OPTIN,
                b"optout" => TrackingFlags::OPTOUT,
                b"noloop" => TrackingFlags::NOLOOP,
                _ => return Err(CommandError::Syntax),
            };
        }
        index += 1;
    }
    Ok(request)
}

/// The number of a session that exists now, though it may go later.
fn redirect_argument(cx: &Context<'_>, index: usize) -> Result<u64, CommandError> {
    let id = parse_integer(cx.arg(index)).ok_or(CommandError::NotInteger)?;
    let id = u64::try_from(id).unwrap_or(0);
    match cx.engine().clients.get(id) {
        Some(_) => Ok(id),
        None => Err(CommandError::text(
            "ERR The client ID you want redirect to does not exist",
        )),
    }
}

pub(super) fn client_caching(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let flags = cx.client.shared.tracking.flags();
    if !flags.contains(TrackingFlags::ON) {
        return Err(CommandError::text(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN \
             or OPTOUT mode enabled",
        ));
    }
    let (mode, error) = if cx.arg_is(2, "YES") {
        let error = "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.";
        (TrackingFlags::OPTIN, error)
    } else if cx.arg_is(2, "NO") {
        let error = "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.";
        (TrackingFlags::OPTOUT, error)
    } else {
        return Err(CommandError::Syntax);
    };
    if !flags.contains(mode) {
        return Err(CommandError::text(error));
    }
    cx.client.set_caching_said(true);
    out.ok();
    Ok(())
}

pub(super) fn client_getredir(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    out.integer(cx.client.shared.tracking.redirect_or_none());
    Ok(())
}

pub(super) fn client_trackinginfo(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let client = &cx.client;
    let flags = client.shared.tracking.flags();
    let is_on = flags.contains(TrackingFlags::ON);
    let mut words = vec![if is_on { "on" } else { "off" }];
    let modes = [
        (TrackingFlags::BCAST, "bcast", None),
        (TrackingFlags::OPTIN, "optin", Some("caching-yes")),
        (TrackingFlags::OPTOUT, "optout", Some("caching-no")),
        (TrackingFlags::NOLOOP, "noloop", None),
        (TrackingFlags::BROKEN_REDIRECT, "broken_redirect", None),
    ];
    for (flag, word, word_if_said) in modes {
        if flags.contains(flag) {
            words.push(word);
            words.extend(word_if_said.filter(|_| client.is_caching_said));
        }
    }
    out.map(3);
    out.bulk(b"flags");
    out.set(words.len());
    words.iter().for_each(|word| out.bulk(word.as_bytes()));
    out.bulk(b"redirect");
    out.integer(client.shared.tracking.redirect_or_none());
    out.bulk(b"prefixes");
    out.array(client.tracked_prefixes.len());
    let prefixes = client.tracked_prefixes.iter();
    prefixes.for_each(|prefix| out.bulk(prefix));
    Ok(())
}
