//! What a person at a terminal is asked.

use std::{
    io::{Read, Write},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::{
    PROGRAM,
    deployment::{Deployment, Play},
};

#[test]
fn k3_a_secret_that_is_typed_is_asked_for_and_not_shown() {
    let deployment = Deployment::provisioned();
    let running = deployment.run(Play::default());
    let ada = deployment.path("ada.key");
    let args = deployment.args(&running, "set-secret", &["name", "--key", &ada]);
    let quoted: Vec<_> = args.iter().map(|arg| format!("'{arg}'")).collect();
    let quoted = format!("'{PROGRAM}' {}", quoted.join(" "));
    // A terminal of its own, and an end for a command that asks nothing.
    let mut child = Command::new("timeout")
        .args(["60", "script", "-qec", &quoted, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut shown = String::new();
    let mut byte = [0];
    while !shown.contains("not shown") && stdout.read(&mut byte).unwrap() == 1 {
        shown.push(char::from(byte[0]));
    }
    assert!(shown.contains("The secret"), "{shown}");
    // The echo ends a moment after the question.
    thread::sleep(Duration::from_secs(1));
    child
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"hunter2\n")
        .unwrap();
    stdout.read_to_string(&mut shown).unwrap();
    assert!(child.wait().unwrap().success(), "{shown}");
    assert!(shown.contains("the secret was kept"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert_eq!(running.orders.lock().unwrap().len(), 1);
}
