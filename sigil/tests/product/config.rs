//! The configuration from outside: what wins, what is refused, and that everything wrong is said at once.

use crate::log::{Log, Ran, sigil};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn config(verb: &str, role: &str, dir: &Path) -> Command {
    let mut command = sigil();
    command
        .args(["config", verb, "--json", "--role", role])
        .current_dir(dir);
    command
}

#[test]
fn flags_win_over_variables_over_the_project_file_over_the_users() {
    let dir = tempfile::tempdir().expect("a directory");
    let home = dir.path().join("home");
    std::fs::create_dir_all(home.join("sigil")).expect("a directory");
    let user =
        "[http]\nlisten = \"127.0.0.1:1\"\ntoken_file = \"user\"\n[limits.http]\nconnections = 1\npage_max = 400\n";
    std::fs::write(home.join("sigil/sigil.toml"), user).expect("a file");
    let project = "[http]\nlisten = \"127.0.0.1:2\"\ntoken_file = \"project\"\n[limits.http]\nconnections = 2\n";
    std::fs::write(dir.path().join("sigil.toml"), project).expect("a file");
    let printed = Ran::of(
        config("print", "embedded", dir.path())
            .env("XDG_CONFIG_HOME", &home)
            .env("SIGIL_TOKEN_FILE", "variable")
            .env("SIGIL_LIMITS__HTTP__CONNECTIONS", "3")
            .args(["--set", "limits.http.connections=4"]),
    );
    let values = printed.exits(0).json();
    let value = |key: &str| {
        (
            values[key]["value"].clone(),
            values[key]["source"].as_str().unwrap_or_default().to_owned(),
        )
    };
    assert_eq!(value("limits.http.connections"), (4.into(), "flag --set".to_owned()));
    assert_eq!(
        value("http.token_file"),
        ("variable".into(), "variable SIGIL_TOKEN_FILE".to_owned())
    );
    let (listen, source) = value("http.listen");
    assert!(listen == "127.0.0.1:2" && source == "sigil.toml", "{source}");
    let (page_max, source) = value("limits.http.page_max");
    assert!(page_max == 400 && source.contains("home"), "{source}");
    assert_eq!(
        value("limits.http.record_bytes"),
        ((1 << 20).into(), "default".to_owned())
    );
    assert_eq!(values.get("nats.url"), None, "an embedded log has no broker");
}

#[test]
fn everything_that_is_wrong_is_said_at_once_and_nothing_is_opened() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = "
        [nats]
        url = \"nats://broker.example.com:4222,tls://sigil:hunter2@b.example.com\"
        uri = \"x\"
        user = \"sigil\"
        [http]
        listen = \"0.0.0.0:7480\"
        [limits.http]
        connections = \"many\"
        page_max = 501
        [postgres]
        url = \"postgres://sigil:hunter2@db.example.com/sigil\"
        [telemetry]
        otlp_endpoint = \"http://collector.example.com:4318\"
        sample_ratio = 2.0
        format = \"xml\"
        [ops]
        listen = \"everywhere\"
        [surprise]
        x = 1
    ";
    std::fs::write(dir.path().join("sigil.toml"), file).expect("a file");
    let checked = Ran::of(
        config("check", "gateway", dir.path())
            .env("SIGIL_NATS__CA_FIEL", "x")
            .args(["--set", "peer.slag=x"]),
    )
    .exits(2);
    for said in [
        "nats.url: TLS is required beyond this machine",
        "nats.uri: no key has this name",
        "nats.password_file: needed with nats.user",
        "http.listen: beyond this machine only with",
        "http.token_file: needed",
        "limits.http.connections: ",
        "limits.http.page_max: from page_default to 500",
        "postgres.url: a URL without a password",
        "telemetry.otlp_endpoint: beyond this machine only over https",
        "telemetry.sample_ratio: a share",
        "telemetry.format: one of text, json",
        "ops.listen: ",
        "surprise: no key has this name",
        "SIGIL_NATS__CA_FIEL: no key of the configuration has this name",
        "peer.slag: there is no such key (from flag --set)",
        "peer.trust_file: needed",
        "peer.command_key_file: needed",
        "CONFIG_INVALID",
    ] {
        assert!(checked.err.contains(said), "{said} is not in\n{}", checked.err);
    }
    assert!(
        checked.err.contains("sigil.toml)"),
        "the file is named: {}",
        checked.err
    );
    assert!(!checked.err.contains("hunter2"), "{}", checked.err);
    assert_eq!(checked.out, "");
    // The service says the same and goes no further.
    let served = Ran::of(sigil().args(["serve", "--role", "gateway"]).current_dir(dir.path())).exits(2);
    assert!(
        served.err.contains("CONFIG_INVALID") && served.err.contains("surprise"),
        "{}",
        served.err
    );
}

#[test]
fn a_right_configuration_passes_for_every_role() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = "
        nats.url = \"tls://a.example.com:4222,tls://b.example.com:4222\"
        nats.tls.ca_file = \"ca.pem\"
        nats.credentials_file = \"ledger.creds\"
        postgres.url = \"postgres://sigil@db.example.com:5432/sigil\"
        postgres.password_file = \"pg\"
        peer.trust_file = \"log.trust\"
        peer.command_key_file = \"gateway.key\"
        http.token_file = \"token\"
        http.listen = \"0.0.0.0:7480\"
        http.tls_cert_file = \"cert.pem\"
        http.tls_key_file = \"key.pem\"
        telemetry.otlp_endpoint = \"https://collector.example.com\"
    ";
    std::fs::write(dir.path().join("sigil.toml"), file).expect("a file");
    for role in ["ledger", "projector", "gateway", "embedded"] {
        let checked = Ran::of(&mut config("check", role, dir.path())).exits(0);
        assert_eq!(checked.json()["role"], role);
        let printed = Ran::of(&mut config("print", role, dir.path())).exits(0).json();
        assert_eq!(
            printed.get("postgres.url").is_some(),
            matches!(role, "projector" | "gateway"),
            "{role}"
        );
        assert!(printed.get("telemetry.otlp_endpoint").is_some(), "{role}");
    }
    // As text it is a file that gives the same configuration.
    let text = Ran::of(
        sigil()
            .args(["config", "print", "--role", "gateway"])
            .current_dir(dir.path()),
    )
    .exits(0)
    .out;
    let other = tempfile::tempdir().expect("a directory");
    std::fs::write(other.path().join("sigil.toml"), &text).expect("a file");
    let values = |dir: &Path| {
        let printed = Ran::of(&mut config("print", "gateway", dir)).exits(0).json();
        let entries = printed.as_object().expect("an object").clone();
        entries
            .into_iter()
            .map(|(key, entry)| (key, entry["value"].clone()))
            .collect::<Vec<(String, Value)>>()
    };
    assert_eq!(values(dir.path()), values(other.path()), "{text}");
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let missing = Ran::of(config("check", "embedded", dir.path()).args(["--config", "nowhere.toml"])).exits(2);
    assert!(
        missing.err.contains("nowhere.toml: there is no such file"),
        "{}",
        missing.err
    );
    std::fs::write(dir.path().join("broken.toml"), "[http\nlisten = 1").expect("a file");
    let broken = Ran::of(config("check", "embedded", dir.path()).env("SIGIL_CONFIG", "broken.toml")).exits(2);
    assert!(
        broken.err.contains("broken.toml") && broken.err.contains("token_file"),
        "{}",
        broken.err
    );
    let wrong = Ran::of(config("check", "embedded", dir.path()).arg("--sett")).exits(2);
    assert!(wrong.err.contains("--sett"), "{}", wrong.err);
}

#[test]
fn a_variable_of_another_program_is_a_note() {
    let log = Log::new();
    let token = log.write("token", "a-token-of-a-service");
    let checked = Ran::of(
        config("check", "embedded", &log.path("."))
            .env("SIGIL_SERVICE_HOST", "10.0.0.1")
            .arg("--token-file")
            .arg(token),
    );
    let checked = checked.exits(0);
    assert!(checked.err.contains("SIGIL_SERVICE_HOST"), "{}", checked.err);
}

#[test]
fn commands_on_a_data_directory_find_it_in_the_project_file() {
    let log = Log::new();
    let dir = tempfile::tempdir().expect("a directory");
    let file = format!("log.data_dir = \"{}\"\n", log.data_dir().display());
    std::fs::write(dir.path().join("sigil.toml"), file).expect("a file");
    let list = |dir: &Path| Ran::of(sigil().args(["record", "list"]).current_dir(dir));
    assert!(
        list(dir.path()).exits(0).lines().len() >= 2,
        "genesis and the first tenant"
    );
    // A variable and a flag win.
    let other = Log::new();
    let mut command = sigil();
    command.args(["record", "list"]).current_dir(dir.path());
    let named = Ran::of(command.env("SIGIL_DATA_DIR", other.data_dir()))
        .exits(0)
        .lines();
    assert_eq!(named[0]["hash"], other.records()[0]["hash"]);
    let mut command = sigil();
    command
        .args(["record", "list", "--data-dir"])
        .arg(other.data_dir())
        .current_dir(dir.path());
    assert_eq!(
        Ran::of(&mut command).exits(0).lines()[0]["hash"],
        other.records()[0]["hash"]
    );
    std::fs::write(dir.path().join("sigil.toml"), "log.data_dri = \"x\"").expect("a file");
    let refused = list(dir.path()).exits(2);
    assert!(
        refused.err.contains("log.data_dri: no key has this name"),
        "{}",
        refused.err
    );
}
