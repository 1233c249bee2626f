//! The source-controller binary.

use clap::Parser;
use source_controller::app;
use source_controller::flags::Flags;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    app::run(Flags::parse()).await?;
    Ok(())
}
