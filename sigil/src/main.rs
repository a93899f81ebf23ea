//! `sigil`: one executable, every role.

fn main() -> std::process::ExitCode {
    sigil::main()
}
