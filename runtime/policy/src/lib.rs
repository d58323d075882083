//! May it? Policy as layered data, its judgement of one ask, and the permits that only a judgement makes. Pure.
//!
//! Layers run from the built-in one over the user's, the workspace's and the profile's to the request's. Each may only
//! narrow the ones above: the verdict is the narrowest that any of them gives, and where none speaks it is deny.
//!
//! **Invariant:** nothing here performs what it judges, and no [`Permit`] exists that [`Policy`] did not make.

mod address;
mod approval;
mod explain;
mod judge;
mod layer;
mod permit;
mod policy;
mod projection;
mod provider;
mod rule;
pub mod secrets;
mod standard;

pub use address::{AddressPattern, BadAddress, WebAddress};
pub use approval::{Approved, rule_of};
pub use explain::{Explanation, LayerSaid, RuleLooked};
pub use judge::{Ask, CheckOrigin, Judgement, UnknownOrigin};
pub use layer::{BadLayer, Layer, LayerKind, Limits, Projections, SandboxRule};
pub use permit::{CallTool, Connect, Permit, RunTool, WriteProjection, WriteWorktree};
pub use policy::{Denied, Policy};
pub use projection::{BadTreeFolder, ProjectionPlace, ProjectionPlaces, TreeFolder};
pub use provider::{Argument, BadProvider, McpServer, Provider, SearchTool, UrlProvider};
pub use rule::{Capability, Rule, UnknownCapability};
pub use standard::{TEMPLATES, Template, standard};
