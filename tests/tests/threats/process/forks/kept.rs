//! E2: what a deployment keeps once has a history, too.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use openkey_tests::fork::Fork;
use openkey_tests::{program, said};
use serde_json::Value;

/// The operators' command at the enclaves of a fork.
struct Operators<'a> {
    fork: &'a Fork,
    policy: PathBuf,
}

impl<'a> Operators<'a> {
    fn of(fork: &'a Fork) -> Self {
        // Accepts the program with any configuration, which --configuration names.
        let simulation = &fork.simulation;
        let text = std::fs::read_to_string(simulation.policy()).unwrap();
        let mut json: Value = serde_json::from_str(&text).unwrap();
        let set = json["measurements"][0].as_object_mut().unwrap();
        set.remove("16");
        let policy = simulation.dir().path().join("program-policy.json");
        std::fs::write(&policy, json.to_string()).unwrap();
        Self { fork, policy }
    }

    /// Brings a secret to enclave `number`.
    fn set_secret(&self, number: usize, name: &str, secret: &str) -> Output {
        let simulation = &self.fork.simulation;
        let dir = simulation.dir();
        let mut child = Command::new(program("openkey"))
            .args(["operator", "set-secret", name, "--json", "--host"])
            .arg(&simulation.ready.hosts[number - 1].url)
            .arg("--policy")
            .arg(&self.policy)
            .arg("--configuration")
            .arg(dir.configuration())
            .arg("--key")
            .arg(dir.operators().join("anna.json"))
            .arg("--approval")
            .arg(dir.genesis().join("anna-approval.json"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(secret.as_bytes()).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap()
    }

    fn sets(&self, number: usize, name: &str, secret: &str) {
        let output = self.set_secret(number, name, secret);
        assert!(output.status.success(), "{}", said(&output));
    }
}

#[test]
fn e2_a_longer_fork_of_the_operators_secrets_is_refused() {
    let fork = Fork::with_operators();
    let operators = Operators::of(&fork);
    operators.sets(1, "mail", "the first");
    fork.copy(1, 2);
    // The operators replace it at one enclave; the other is shown what was before, and is given more.
    operators.sets(1, "billing", "the good one");
    for name in ["web", "push"] {
        operators.sets(2, name, "older than the replacement");
    }
    let own = fork.store(1).rows();
    fork.copy(2, 1);
    let output = operators.set_secret(1, "more", "on top");
    assert!(
        !output.status.success(),
        "the enclave went on with another history: {}",
        String::from_utf8_lossy(&output.stdout)
    );
    // Nothing is lost.
    fork.store(1).restore(&own);
    operators.sets(1, "more", "on top");
}
