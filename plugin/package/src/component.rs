//! From a core module that carries the description of its world to a component that imports nothing.

use anyhow::{Context as _, Result, bail};
use wit_component::{ComponentEncoder, DecodedWasm};

/// Wraps a module as a component, validates it, and makes sure that it asks its host for nothing. Fails when the module
/// does not fit the world it describes, or imports anything.
pub(crate) fn wrap(module: &[u8]) -> Result<Vec<u8>> {
    let component = ComponentEncoder::default()
        .validate(true)
        .module(module)
        .context("not a module that describes its world")?
        .encode()
        .context("the module does not fit the world it describes")?;
    let imports = imports(&component)?;
    if !imports.is_empty() {
        bail!("it imports {}, and a plugin may import nothing", imports.join(", "));
    }
    Ok(component)
}

fn imports(component: &[u8]) -> Result<Vec<String>> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component)? else {
        bail!("the encoder gave a package, not a component");
    };
    let world = resolve.worlds.get(world).context("the component has no world")?;
    Ok(world.imports.keys().map(|name| resolve.name_world_key(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_found_by_name() {
        let component = |text: &str| wat::parse_str(text).expect("the text is a component");
        let asking = component(r#"(component (import "wasi:clocks/wall-clock@0.2.0" (instance)))"#);
        assert_eq!(imports(&asking).expect("it can be decoded"), ["wasi:clocks/wall-clock@0.2.0"]);
        assert_eq!(imports(&component("(component)")).expect("it can be decoded"), [""; 0]);
    }

    #[test]
    fn what_is_no_module_is_refused() {
        assert!(wrap(b"not a module").is_err());
    }
}
