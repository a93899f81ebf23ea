//! From a checked envelope to a record that the ledger takes: tenant, id and author are settled here.

use crate::caller::Caller;
use crate::error::{Code, Problem};
use crate::id;
use crate::tenancy::{self, Intent};
use record::{Author, Intake, NewRecord, Space, Tenant};

/// The record that `caller` asks for with `intake`; `header` is the tenant that the request names beside it.
///
/// # Errors
/// `TENANT_MISMATCH`, `AUTHOR_MISMATCH` or `SYSTEM_SPACE_PROTECTED`.
pub(super) fn settle(intake: Intake, caller: &Caller, header: Option<Tenant>) -> Result<NewRecord, Problem> {
    if intake.space == Space::System {
        let detail = "only the ledger and a quorum write to system space";
        return Err(Problem::new(Code::SystemSpaceProtected, detail));
    }
    let tenant = tenancy::resolve(caller, intake.tenant, header, Intent::Write)?;
    let mut author = Author::new(caller.id.clone(), caller.auth);
    author.key_id.clone_from(&caller.key_id);
    if let Some(signed) = intake.author {
        if signed.id != caller.id {
            let detail = format!("author.id must be the caller's own id, `{}`", caller.id);
            return Err(Problem::new(Code::AuthorMismatch, detail));
        }
        author.key_id = Some(signed.key_id);
        author.sig = Some(signed.sig);
    }
    Ok(NewRecord {
        tenant,
        kind: intake.kind,
        schema_version: intake.schema_version,
        id: intake.id.map_or_else(id::record_id, Ok)?,
        space: intake.space,
        author,
        payload: intake.payload,
        links: intake.links,
        disclosures: intake.disclosures,
    })
}
