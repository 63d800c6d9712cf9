//! MIGRATE: the command. How its keys are held and sent stands in `migration`.

use std::sync::Arc;
use std::time::Duration;

use crate::command::context::Mode;
use crate::command::{
    Args, BeginSearch, Categories, Command, CommandError, CommandResult, Context, EventClass,
    FindKeys, Flags, KeyFlags, KeySpec, Reply,
};
use crate::keyspace::value_of;
use crate::migration::{Credentials, MigratedKey, Migration, MigrationOutcome, MigrationRequest};
use crate::snapshot::SaveOptions;

/// The timeout where none is given, in milliseconds.
const DEFAULT_TIMEOUT_MS: i64 = 1000;

const MOVED: KeyFlags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE);

/// The family's rows.
pub(crate) const COMMANDS: &[Command] = &[Command {
    name: "migrate",
    history: &[
        (
            "3.0.0",
            "COPY keeps the key here, REPLACE puts it in the place of another there.",
        ),
        ("3.0.6", "KEYS sends many keys at once."),
        ("4.0.7", "AUTH gives a password."),
        ("6.0.0", "AUTH2 gives the name of a user and a password."),
    ],
    arity: -6,
    flags: Flags::WRITE,
    keys: &[
        KeySpec {
            begin: BeginSearch::Index(3),
            ..KeySpec::first(MOVED)
        },
        KeySpec {
            flags: MOVED.union(KeyFlags::INCOMPLETE),
            begin: BeginSearch::Keyword {
                word: "KEYS",
                from: -2,
            },
            find: FindKeys::Range {
                last: -1,
                step: 1,
                limit: 0,
            },
        },
    ],
    key_finder: Some(find_keys),
    categories: Categories::KEYSPACE.union(Categories::DANGEROUS),
    since: "2.6.0",
    complexity: "O(N) in the elements of the values, which is done here and at the other server",
    summary: "Moves keys to another server.",
    syntax: "host:string port:integer key-selector= key|(empty-string= \"\") destination-db:integer \
                 timeout:integer [COPY^3.0.0] [REPLACE^3.0.0] [authentication= (auth^4.0.7= AUTH password:string)|(auth2^6.0.0= AUTH2 \
                 username password:string)] [keys^3.0.6= KEYS key [key ...]]",
    tips: &["nondeterministic_output"],
    handler: migrate,
    ..Command::DEFAULT
}];

/// What stands behind the timeout.
#[derive(Default)]
struct Options<'a> {
    is_copy: bool,
    replaces: bool,
    user: Option<&'a [u8]>,
    password: Option<&'a [u8]>,
    /// The first argument of several keys.
    keys_from: Option<usize>,
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>) -> Result<Self, CommandError> {
        let mut options = Options::default();
        let mut index = 6;
        while index < args.len() {
            let rest = args.len() - 1 - index;
            match &args.get(index).to_ascii_lowercase()[..] {
                b"copy" => options.is_copy = true,
                b"replace" => options.replaces = true,
                b"auth" if rest >= 1 => {
                    options.password = Some(args.get(index + 1));
                    index += 1;
                }
                b"auth2" if rest >= 2 => {
                    options.user = Some(args.get(index + 1));
                    options.password = Some(args.get(index + 2));
                    index += 2;
                }
                b"keys" if !args.get(3).is_empty() => {
                    return Err(CommandError::text(
                        "ERR When using MIGRATE KEYS option, the key argument must be set to the \
                         empty string",
                    ));
                }
                b"keys" => {
                    options.keys_from = Some(index + 1);
                    break;
                }
                _ => return Err(CommandError::Syntax),
            }
            index += 1;
        }
        Ok(options)
    }
}

/// The keys: behind KEYS if the key argument is empty, which may stand behind AUTH as a password, too. Where
/// both are given there are none: then the command is refused. A word KEYS at the end says nothing.
fn find_keys(args: Args<'_>, visit: &mut dyn FnMut(usize)) -> bool {
    let is_keys = |index: usize| args.get(index).eq_ignore_ascii_case(b"keys");
    let mut index = 6;
    while (6..args.len().saturating_sub(1)).any(is_keys) && index < args.len() {
        match &args.get(index).to_ascii_lowercase()[..] {
            b"keys" if !args.get(3).is_empty() => return false,
            b"keys" => {
                (index + 1..args.len()).for_each(visit);
                return true;
            }
            b"auth" => index += 1,
            b"auth2" => index += 2,
            _ => {}
        }
        index += 1;
    }
    visit(3);
    true
}

/// The places of the arguments that are secret: what stands behind each AUTH and AUTH2.
pub(crate) fn secrets(args: Args<'_>) -> Vec<usize> {
    let (mut index, mut places) = (6, Vec::new());
    while index < args.len() {
        let count = match &args.get(index).to_ascii_lowercase()[..] {
            b"auth" => 1,
            b"auth2" => 2,
            b"keys" => break,
            _ => 0,
        };
        places.extend(index + 1..=index + count);
        index += 1 + count;
    }
    places
}

fn migrate(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let options = Options::parse(cx.args())?;
    let timeout_ms = match cx.integer(5)? {
        timeout_ms @ 1.. => timeout_ms,
        _ => DEFAULT_TIMEOUT_MS,
    };
    let database = cx.integer(4)?;
    let keys = match options.keys_from {
        Some(first) => take_values(cx, first..cx.argc())?,
        None => take_values(cx, 3..4)?,
    };
    if keys.is_empty() {
        out.simple("NOKEY");
        return Ok(());
    }
    let credentials = options.password.map(|password| Credentials {
        user: options.user.map(<[u8]>::to_vec),
        password: password.to_vec(),
    });
    let request = Arc::new(MigrationRequest {
        host: cx.arg(1).to_vec(),
        port: cx.arg(2).to_vec(),
        database,
        timeout: Duration::from_millis(timeout_ms.unsigned_abs()),
        replaces: options.replaces,
        credentials,
        keys,
    });
    if cx.mode == Mode::Direct && begin(cx, &request, options.is_copy) {
        return Ok(());
    }
    let outcome = cx.engine().host.clone().migrate(&request);
    settle(cx, &request, options.is_copy, &outcome, out)
}

/// What is there of some keys, ready to be sent.
fn take_values(
    cx: &Context<'_>,
    keys: std::ops::Range<usize>,
) -> Result<Vec<MigratedKey>, CommandError> {
    let codec = super::dump::codec(cx)?;
    let options = SaveOptions {
        compresses: cx.engine().config.rdbcompression(),
    };
    let taken = keys.filter_map(|index| {
        let key = cx.key(index);
        let entry = cx.read(key)?;
        Some(MigratedKey {
            key: key.bytes.to_vec(),
            payload: codec.dump(value_of(entry), options),
            expire_ms: entry.expire_ms(),
        })
    });
    Ok(taken.collect())
}

/// Lets the session wait while the host carries the request out; answers whether it does.
fn begin(cx: &mut Context<'_>, request: &Arc<MigrationRequest>, is_copy: bool) -> bool {
    let migration = Migration {
        request: request.clone(),
        is_copy,
        client: cx.client.shared.clone(),
        database: cx.client.database,
        protocol: cx.client.protocol,
        registered: cx.registered,
        arguments: cx.args().to_owned(),
    };
    let engine = cx.worker.engine.clone();
    engine.migrations.hold(request);
    let has_begun = engine.host.begin_migration(migration).is_ok();
    if has_begun {
        cx.client.set_migrating(true);
    } else {
        engine.migrations.release(request);
    }
    has_begun
}

/// Deletes what the other server has now, unless it was copied, and answers.
pub(crate) fn settle(
    cx: &mut Context<'_>,
    request: &MigrationRequest,
    is_copy: bool,
    outcome: &MigrationOutcome,
    out: &mut Reply<'_>,
) -> CommandResult {
    if !is_copy {
        let mut deletion: Vec<&[u8]> = vec![b"DEL"];
        for &index in &outcome.acknowledged {
            let bytes = &request.keys[index].key[..];
            let key = cx.key_of(bytes);
            cx.delete(key);
            cx.changed(key, EventClass::GENERIC, "del");
            deletion.push(bytes);
        }
        if deletion.len() > 1 {
            cx.rewrite(&deletion);
        }
    }
    if let Some(error) = &outcome.error {
        return Err(error.clone().into());
    }
    out.ok();
    Ok(())
}
