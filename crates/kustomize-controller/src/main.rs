//! The kustomize-controller binary.

use clap::Parser;
use kustomize_controller::app;
use kustomize_controller::flags::Flags;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    app::run(Flags::parse()).await?;
    Ok(())
}
