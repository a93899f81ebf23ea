//! The peer: the audit table that a team would write in Postgres, by pgbench at its best client count.
//!
//! Unsigned, three indexes, one INSERT per transaction, `synchronous_commit = on`; and the same with each row chained to
//! the one before it by a function.

use std::process::Command;

const SECONDS: &str = "6";
const CLIENTS: [&str; 3] = ["8", "16", "32"];

const SCHEMA: &str = "
DROP TABLE IF EXISTS audit; DROP TABLE IF EXISTS chain_head;
CREATE TABLE audit (id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), actor text NOT NULL,
  session text NOT NULL, action text NOT NULL, payload jsonb NOT NULL, prev bytea, hash bytea);
CREATE INDEX audit_actor ON audit (actor, at); CREATE INDEX audit_session ON audit (session, at);
CREATE INDEX audit_at ON audit (at);
CREATE TABLE chain_head (one int PRIMARY KEY, hash bytea NOT NULL);
INSERT INTO chain_head VALUES (1, sha256('genesis'));
CREATE OR REPLACE FUNCTION append_chained(a text, s text, p jsonb) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE before bytea; after bytea;
BEGIN
  SELECT hash INTO before FROM chain_head WHERE one = 1 FOR UPDATE;
  after := sha256(before || convert_to(a || s || p::text, 'UTF8'));
  INSERT INTO audit (actor, session, action, payload, prev, hash) VALUES (a, s, 'tool.call', p, before, after);
  UPDATE chain_head SET hash = after WHERE one = 1;
  RETURN after;
END $$;";

const VALUES: &str = "\\set n random(1, 1000000)\n";

/// A Postgres that `cargo xtask bench` has started; its address is in the environment.
pub struct Peer {
    pgbench: String,
}

impl Peer {
    pub fn find() -> Option<Self> {
        std::env::var_os("PGHOST")?;
        Some(Self {
            pgbench: std::env::var("SIGIL_BENCH_PGBENCH").ok()?,
        })
    }

    /// Plain inserts a second.
    pub fn plain(&self) -> f64 {
        let insert = format!(
            "{VALUES}INSERT INTO audit (actor, session, action, payload) VALUES ('agent:' || (:n % 100), \
             'session:' || (:n / 50), 'tool.call', '{}'::jsonb);\n",
            crate::load::payload(7)
        );
        self.best(&insert)
    }

    /// Chained inserts a second.
    pub fn chained(&self) -> f64 {
        let call = format!(
            "{VALUES}SELECT append_chained('agent:' || (:n % 100), 'session:' || (:n / 50), '{}'::jsonb);\n",
            crate::load::payload(7)
        );
        self.best(&call)
    }

    fn best(&self, script: &str) -> f64 {
        let file = tempfile::NamedTempFile::new().expect("a file is made");
        // pgbench reads a colon before a name as a variable, also inside JSON: the payload has none before a letter.
        std::fs::write(file.path(), script).expect("the script is written");
        let rates = CLIENTS.iter().map(|clients| {
            self.reset();
            let path = file.path().display().to_string();
            let run = Command::new(&self.pgbench)
                .args([
                    "-n", "-c", clients, "-j", "2", "-T", SECONDS, "-M", "prepared", "-f", &path,
                ])
                .output()
                .expect("pgbench runs");
            let text = String::from_utf8_lossy(&run.stdout).into_owned();
            let tps = text.lines().find_map(|line| line.strip_prefix("tps = "));
            let tps = tps
                .and_then(|line| line.split_whitespace().next())
                .and_then(|tps| tps.parse::<f64>().ok());
            tps.unwrap_or_else(|| panic!("pgbench gave no rate: {text}{}", String::from_utf8_lossy(&run.stderr)))
        });
        rates.fold(0.0, f64::max)
    }

    fn reset(&self) {
        let psql = std::path::Path::new(&self.pgbench).with_file_name("psql");
        let run = Command::new(psql)
            .args(["-q", "-v", "ON_ERROR_STOP=1", "-c", SCHEMA])
            .output()
            .expect("psql runs");
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    }
}
