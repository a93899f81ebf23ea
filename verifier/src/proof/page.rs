//! The rows of an answer side by side: what they are to each other, to the query, and to the timeline's root.

use super::answer::Answer;
use super::case::Case;
use super::climb::Head;
use super::form::{RangeText, TimelineText};
use super::query::Query;
use super::rows::Row;
use crate::check::Check;
use crate::finding::Finding;
use record::Timestamp;
use tlog::{Error, Node, verify_range};

/// The rows that are to be proven, oldest first, with their neighbours, and those that are too new for it.
pub(super) struct Page<'a> {
    before: Option<&'a Row>,
    pub(super) rows: Vec<&'a Row>,
    after: Option<&'a Row>,
    /// At or above `as_of`, oldest first.
    pub(super) newer: Vec<&'a Row>,
}

impl<'a> Page<'a> {
    /// Parts the rows at `as_of` and puts them into the order of the log.
    pub(super) fn sort(case: &mut Case<'_>, answer: &'a Answer) -> Option<Self> {
        let offsets: Option<Vec<u64>> = answer.rows.iter().map(offset).collect();
        let others: Option<Vec<u64>> = answer.others.iter().map(offset).collect();
        let (offsets, others) = (offsets?, others?);
        for (list, offsets) in [("/data", &offsets), ("/others", &others)] {
            let in_order = match answer.query.newest_first {
                true => offsets.is_sorted_by(|a, b| a > b),
                false => offsets.is_sorted_by(|a, b| a < b),
            };
            if !in_order {
                let detail = "the rows are not in the order that was asked for, or one is repeated";
                case.push(Finding::new(Check::Completeness, list, detail));
            }
        }
        if let Some(late) = others.iter().find(|offset| **offset >= answer.proof.as_of) {
            let detail = "a row among the others is too new to be proven";
            case.push(Finding::new(Check::Completeness, "/others", detail).at(*late));
        }
        let proven = |row: &&Row| offset(row).is_some_and(|offset| offset < answer.proof.as_of);
        let mut rows: Vec<&Row> = answer.rows.iter().chain(&answer.others).filter(proven).collect();
        let mut newer: Vec<&Row> = answer.rows.iter().filter(|row| !proven(row)).collect();
        rows.sort_by_key(|row| offset(row));
        newer.sort_by_key(|row| offset(row));
        let mut listed = answer.unproven.clone();
        let found: Vec<u64> = newer.iter().copied().filter_map(offset).collect();
        listed.sort_unstable();
        if listed != found {
            let detail = "the list of unproven rows is not that of the rows at or above as_of";
            let finding = Finding::new(Check::Completeness, "/unproven", detail);
            case.push(finding.wanted(format!("{found:?}"), format!("{listed:?}")));
        }
        case.facts.unproven = found;
        Some(Self {
            before: answer.before.as_ref(),
            rows,
            after: answer.after.as_ref(),
            newer,
        })
    }

    /// Everything that the range is about, oldest first.
    pub(super) fn stretch(&self) -> impl Iterator<Item = &'a Row> + Clone {
        let rows = self.rows.clone();
        self.before.into_iter().chain(rows).chain(self.after)
    }

    /// The same, with the rows behind it.
    fn all(&self) -> impl Iterator<Item = &'a Row> + Clone {
        self.stretch().chain(self.newer.clone())
    }

    /// Whether every row is one of the timeline's.
    pub(super) fn check_membership(&self, case: &mut Case<'_>, proof: &TimelineText) -> bool {
        let mut all = true;
        for row in self.all() {
            let Some(envelope) = row.said.as_ref().map(|said| &said.envelope) else {
                continue;
            };
            let belongs = envelope.stands_in(&proof.label, &proof.target);
            let same_tenant = envelope.tenant.as_str() == proof.tenant;
            all &= same_tenant && belongs;
            if !same_tenant {
                let finding = Finding::new(
                    Check::Completeness,
                    format!("{}/tenant", row.pointer),
                    "the row is another tenant's",
                );
                case.push(finding.wanted(&proof.tenant, &envelope.tenant).at(envelope.offset));
            } else if !belongs {
                let detail = "the row is not of the timeline that was asked for";
                case.push(Finding::new(Check::Completeness, row.pointer.clone(), detail).at(envelope.offset));
            }
        }
        all
    }

    /// Rows lie within the span of time, neighbours outside.
    pub(super) fn check_span(&self, case: &mut Case<'_>, query: &Query) {
        let early = |row: &Row| query.from.is_some_and(|from| ts(row).is_some_and(|ts| ts < from));
        let late = |row: &Row| query.to.is_some_and(|to| ts(row).is_some_and(|ts| ts >= to));
        let mut wrong = |row: &Row, detail: &str| {
            let finding = Finding::new(Check::Completeness, format!("{}/ts", row.pointer), detail);
            case.push(offset(row).map_or(finding.clone(), |offset| finding.at(offset)));
        };
        let rows = self.rows.iter().chain(&self.newer);
        for row in rows.filter(|row| early(row) || late(row)) {
            wrong(row, "the row lies outside the span of time that was asked for");
        }
        for row in self.before.iter().filter(|row| !early(row)) {
            wrong(row, "the neighbour before does not lie before the span of time");
        }
        for row in self.after.iter().filter(|row| !late(row)) {
            wrong(row, "the neighbour behind does not lie behind the span of time");
        }
    }

    /// What neighbouring rows say about each other: times, places in the chain, links between them.
    pub(super) fn check_order(&self, case: &mut Case<'_>) {
        for (older, newer) in self.all().zip(self.all().skip(1)) {
            let (Some(old), Some(new)) = (&older.said, &newer.said) else {
                continue;
            };
            let (old, new) = (&old.envelope, &new.envelope);
            if new.ts < old.ts {
                let finding = Finding::new(
                    Check::Time,
                    format!("{}/ts", newer.pointer),
                    "earlier than the row before",
                );
                case.push(finding.wanted(format!("{} or later", old.ts), new.ts).at(new.offset));
            }
            if old.tenant != new.tenant || old.offset == new.offset {
                continue;
            }
            let (member, detail) = match new.seq.checked_sub(old.seq) {
                None | Some(0) => (
                    "/seq",
                    "the row does not stand behind the one before in the tenant's chain",
                ),
                Some(1) if new.prev != Some(old.hash) => ("/prev", "the row does not continue the one before"),
                Some(_) => continue,
            };
            case.push(Finding::new(Check::Chain, format!("{}{member}", newer.pointer), detail).at(new.offset));
        }
    }

    /// Whether the page reaches as far as it claims.
    pub(super) fn check_ends(&self, case: &mut Case<'_>, answer: &Answer, head: &Head) {
        let query = &answer.query;
        let count = head.0.map_or(0, |(count, _)| count);
        let wrong = |member: &str, detail: &str| Finding::new(Check::Completeness, member, detail);
        if answer.rows.is_empty() && query.has_more {
            let detail = "the page is empty and says that more rows follow";
            return case.push(wrong("/has_more", detail));
        }
        let has_newer = !self.newer.is_empty();
        // All rows are too new, and the page ends before it reaches what is proven.
        let passed_by = self.rows.is_empty() && has_newer && query.newest_first && query.has_more;
        if passed_by && count > 0 {
            let reason = "every row is newer than the newest map: ask again in a moment";
            return case.missed(&[Check::Completeness], reason);
        }
        let (from, until) = match &answer.proof.range {
            Some(range) => (range.from, range.until),
            None if count == 0 => (0, 0),
            None if self.stretch().next().is_some() => {
                let detail = "the proof has no range, although rows lie below as_of";
                return case.push(wrong("/proof/range", detail));
            }
            None if query.continues => {
                let reason = "an empty page behind others says nothing about what it follows";
                return case.missed(&[Check::Completeness], reason);
            }
            None => {
                let finding = wrong("/data", "rows are left out: the page shows none of them");
                return case.push(finding.wanted(format!("rows of {count}"), "none"));
            }
        };
        let (first, last) = (!query.continues, !query.has_more);
        let (newer_end, tail_due) = if query.newest_first {
            (first, last)
        } else {
            (last, first)
        };
        // Rows behind `as_of` follow the newest one below it: what lies between them would be left out of the page.
        if (newer_end || has_newer) && until != count && self.after.is_none() {
            let finding = wrong("/proof/range/until", "newer rows are left out");
            case.push(finding.wanted(count, until));
        }
        if tail_due && from != 0 && self.before.is_none() {
            let finding = wrong("/proof/range/from", "older rows are left out");
            case.push(finding.wanted(0, from));
        }
    }

    /// Holds the rows against the timeline's root.
    pub(super) fn check_range(&self, case: &mut Case<'_>, answer: &Answer, head: &Head) {
        let leaves: Vec<Node> = self
            .stretch()
            .filter_map(|row| Some(row.said.as_ref()?.timeline_leaf))
            .collect();
        match (&answer.proof.range, head.0) {
            (None, _) if leaves.is_empty() => {}
            // Told by the check of the ends, unless there is no such timeline at all.
            (None, Some(_)) => {}
            (Some(_), None) | (None, None) => {
                let detail = "the timeline is proven to be empty, and the page has rows of it";
                case.push(Finding::new(Check::Completeness, "/data", detail));
            }
            (Some(range), Some((count, root))) => {
                // A row that is missing moves all others: only then is it worth saying which stands elsewhere.
                match compare_range(range, &leaves, count, &root) {
                    Some(finding) => case.push(finding),
                    None => self.check_chain_positions(case, answer, range),
                }
            }
        }
    }

    /// On the whole chain a record's position is its `seq`.
    fn check_chain_positions(&self, case: &mut Case<'_>, answer: &Answer, range: &RangeText) {
        if !answer.proof.label.is_empty() {
            return;
        }
        for (row, position) in self.stretch().zip(range.from..) {
            let Some(envelope) = row.said.as_ref().map(|said| &said.envelope) else {
                continue;
            };
            if envelope.seq != position {
                let detail = "the row stands elsewhere in its tenant's chain";
                let finding = Finding::new(Check::Chain, format!("{}/seq", row.pointer), detail);
                case.push(finding.wanted(position, envelope.seq).at(envelope.offset));
            }
        }
    }
}

/// Holds leaves against a range of a timeline.
fn compare_range(range: &RangeText, leaves: &[Node], count: u64, root: &Node) -> Option<Finding> {
    let positions = range.until.saturating_sub(range.from);
    if positions != leaves.len() as u64 {
        let detail = match positions > leaves.len() as u64 {
            true => "rows are left out: the page has fewer than the range",
            false => "the page has more rows than the range",
        };
        let finding = Finding::new(Check::Completeness, "/data", detail);
        return Some(finding.wanted(format!("{positions} rows"), format!("{} rows", leaves.len())));
    }
    if range.until > count {
        let detail = "the range reaches beyond the timeline's head";
        let finding = Finding::new(Check::Completeness, "/proof/range/until", detail);
        return Some(finding.wanted(format!("{count} at most"), range.until));
    }
    match verify_range(range.from, leaves, count, root, &range.nodes) {
        Ok(()) => None,
        Err(error @ Error::ProofLength { .. }) => {
            let detail = format!("the range proof does not fit: {error}");
            Some(Finding::new(Check::Inclusion, "/proof/range/nodes", detail))
        }
        Err(error) => {
            let detail = format!("these rows are not the ones at their positions: {error}");
            Some(Finding::new(Check::Inclusion, "/proof/range", detail))
        }
    }
}

fn offset(row: &Row) -> Option<u64> {
    Some(row.said.as_ref()?.envelope.offset)
}

fn ts(row: &Row) -> Option<Timestamp> {
    Some(row.said.as_ref()?.envelope.ts)
}
