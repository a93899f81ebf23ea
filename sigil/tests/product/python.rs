//! A Python with the packages of one of the examples in `docs/examples`, in an environment of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of the examples.
pub fn example(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.join("docs/examples").join(name)
}

/// An interpreter with what `requirements.txt` of the example lists, so that `imports` can be imported; installed once
/// beside the build's other products, for this `user` alone: tests may run in processes of their own, at the same time.
/// Where it cannot be had: why.
pub fn python(name: &str, user: &str, imports: &str) -> Result<PathBuf, String> {
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join(user);
    let python = venv.join("bin/python");
    let run = |program: &Path, args: &[&str]| {
        let output = Command::new(program).args(args).output();
        let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    };
    let imports = ["-c", &format!("import {imports}")];
    if run(&python, &imports).is_err() {
        let place = venv.to_str().ok_or("a path that is no text")?;
        run(Path::new("python3"), &["-m", "venv", "--clear", place])?;
        let requirements = example(name).join("requirements.txt");
        let requirements = requirements.to_str().ok_or("a path that is no text")?;
        run(&python, &["-m", "pip", "install", "-q", "-r", requirements])?;
        run(&python, &imports)?;
    }
    Ok(python)
}
