//! What holds for any configuration: what CONFIG REWRITE writes says all of it.

use oxidis_resp::inline::quote_into;
use proptest::prelude::*;

use super::directive::{Directive, DirectiveId, Kind};
use super::file::ConfigFileHost;
use super::rewrite::RewriteScope;
use super::store::{Config, Setter};

struct NoFiles;

impl ConfigFileHost for NoFiles {
    fn include(&mut self, _pattern: &[u8]) -> Result<Vec<u8>, (Vec<u8>, String)> {
        Ok(Vec::new())
    }
}

/// Texts of which every directive accepts some.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "",
        "yes",
        "no",
        "0",
        "1",
        "2",
        "77",
        "1024",
        "1mb",
        "3gb",
        "50%",
        "100000",
        "allkeys-lru",
        "debug",
        "everysec",
        "always",
        "local",
        "60 1 30 2",
        "normal 1 2 3 replica 1mb 2kb 4",
        "1 2 3",
        "KEA",
        "KEAn",
        "g$K",
        "127.0.0.1 -::1 a'b",
        "50 99.5 0.12345678",
        "nosave now",
        "no one",
        "host 1",
        "a\"b 2",
        "{port} \"x\"",
        "swapdb",
        "absolute",
        "daily.rdb",
    ]);
    prop_oneof![
        3 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ]
}

fn directive() -> impl Strategy<Value = DirectiveId> {
    // A replica in a cluster is refused as a whole, which is not what is tested here.
    (0..Directive::all().len())
        .prop_map(|index| {
            DirectiveId::all()
                .nth(index)
                .expect("it is below the count")
        })
        .prop_filter("not in a cluster", |id| {
            id.directive().name != "cluster-enabled"
        })
}

/// Lines of an old file: right, wrong and odd ones.
fn old_line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (directive(), value(), any::<bool>()).prop_map(|(id, value, by_alias)| {
            let directive = id.directive();
            let name = directive.alias.filter(|_| by_alias).unwrap_or(directive.name);
            let mut line = name.to_uppercase().into_bytes();
            line.push(b' ');
            quote_into(&mut line, &value);
            line
        }),
        1 => Just(b"# a comment".to_vec()),
        2 => Just(Vec::new()),
        1 => Just(b"include other.conf".to_vec()),
        1 => Just(b"user bob on >x".to_vec()),
        1 => Just(b"list-max-ziplist-value 3".to_vec()),
        1 => Just(b"  unbalanced \"".to_vec()),
        1 => Just(b"module.thing 3".to_vec()),
    ]
}

/// A configuration with these settings, as far as they are acceptable.
fn configured(settings: &[(DirectiveId, Vec<u8>)]) -> Config {
    let config = Config::new(0);
    for (id, value) in settings {
        let mut line = id.directive().name.as_bytes().to_vec();
        line.push(b' ');
        quote_into(&mut line, value);
        // Many values do not fit their directive; most directives get one that does.
        let _ = config.load(&line, &mut NoFiles);
    }
    config
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 100 }))]

    #[test]
    fn rewritten_files_say_what_was_set(
        settings in prop::collection::vec((directive(), value()), 0..20),
        old in prop::collection::vec(old_line(), 0..30),
        scope in prop::sample::select(vec![RewriteScope::Changed, RewriteScope::All]),
    ) {
        let config = configured(&settings);
        let rewritten = config.rewrite(&old.join(&b'\n'), None, scope);
        let fresh = Config::new(0);
        fresh.load(&rewritten, &mut NoFiles).map_err(|error| TestCaseError::fail(error.to_string()))?;
        {
            let (ours, theirs) = (config.state.read(), fresh.state.read());
            for id in DirectiveId::all() {
                prop_assert_eq!(&ours.values[id.index()], &theirs.values[id.index()], "{}", id.directive().name);
            }
        }
        prop_assert_eq!(fresh.rewrite(&rewritten, None, scope), rewritten);
    }

    #[test]
    fn what_config_get_shows_config_set_takes(settings in prop::collection::vec((directive(), value()), 0..20)) {
        let config = configured(&settings);
        let fresh = Config::new(0);
        for (name, value) in config.get(&[b"*"]) {
            let name = String::from_utf8(name).expect("names are ASCII");
            let (id, _) = DirectiveId::find(name.as_bytes()).expect("it was just shown");
            // Having no master is shown as nothing, which cannot be said.
            if !(matches!(id.directive().kind, Kind::ReplicaOf) && value.is_empty()) {
                fresh.set_default(&name, &value).map_err(|error| TestCaseError::fail(error.to_string()))?;
            }
        }
        prop_assert_eq!(config.get(&[b"*"]), fresh.get(&[b"*"]));
    }

    #[test]
    fn nothing_makes_it_panic(text in prop::collection::vec(any::<u8>(), 0..200), name in directive(), value in value()) {
        let config = Config::new(0);
        let _ = config.load(&text, &mut NoFiles);
        let _ = config.rewrite(&text, None, RewriteScope::All);
        let _ = config.get(&[&text]);
        let _ = config.set(&[(name.directive().name.as_bytes(), &value), (&text, &text)], Setter::default());
    }
}
