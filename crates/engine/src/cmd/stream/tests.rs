//! What recorded conversations cannot hold: keys in odd places.

use super::super::testing::TestSession;

#[test]
fn a_group_may_be_called_streams() {
    let mut session = TestSession::new(&[]);
    session.run("XGROUP CREATE key streams 0 MKSTREAM");
    session.run("XADD key 1-1 a b");
    let read = "XREADGROUP NOACK GROUP streams streams STREAMS key >";
    assert!(session.run(read).contains("1-1"));
    let block = "XREADGROUP COUNT 1 GROUP streams streams STREAMS streams >";
    assert!(session.run(block).starts_with("-NOGROUP"));
}
