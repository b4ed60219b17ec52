//! `openkey-sim load`.

use crate::cli;

pub(crate) fn load(_load: cli::Load) -> anyhow::Result<()> {
    Ok(())
}
