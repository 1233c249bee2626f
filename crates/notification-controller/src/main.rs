//! The notification-controller binary.

use clap::Parser;
use notification_controller::app;
use notification_controller::flags::Flags;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    app::run(Flags::parse()).await?;
    Ok(())
}
