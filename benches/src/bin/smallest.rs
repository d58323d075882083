//! The smallest service on a session bus: it owns a name and answers one call. What it costs is what any such service costs, and
//! Windlass is measured beside it.

use zbus::connection::Builder;
use zbus::interface;

struct Smallest;

#[interface(name = "dev.windlass.Smallest1")]
impl Smallest {
    /// Answers with the process id.
    async fn answer(&self) -> u32 {
        std::process::id()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> zbus::Result<()> {
    let connection = Builder::session()
        .serve_at("/dev/windlass/Smallest1", Smallest)
        .name("dev.windlass.Smallest1")
        .build()
        .await?;
    // It leaves with the bus.
    connection.closed().await;
    Ok(())
}
