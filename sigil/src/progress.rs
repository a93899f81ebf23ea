//! Progress of long work on standard error: a bar with rate and time left on a terminal, nothing elsewhere.

use crate::output;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar for work of `total` steps that are called `unit`.
pub fn bar(what: &'static str, unit: &str, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    bar.set_draw_target(if output::draws() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    });
    let style = format!("{{msg}} {{wide_bar}} {{human_pos}}/{{human_len}} {unit} {{per_sec}} eta {{eta}}");
    if let Ok(style) = ProgressStyle::with_template(&style) {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}
