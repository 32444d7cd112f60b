//! Providers at Amazon and Google: who signs their requests, and what region and project stand in
//! their addresses.

use std::sync::Arc;

use gw_config::section::provider::Provider as Configured;
use gw_core::seam::{Clock, Upstream};
use gw_core::{Error, Kind, Result};
use gw_dialect::providers::{Auth, ProviderSpec};
use gw_net::sign::{AwsSigner, GoogleSigner, SignedUpstream, Signer};
use secrecy::ExposeSecret;

/// Most bytes of a key file.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Who signs, and the project that goes with it.
pub(super) struct Cloud {
    signer: Box<dyn Signer>,
    project: Option<String>,
}

/// The signer that configuration asks for; `None` where a key goes in a header.
///
/// # Errors
/// [`Kind::NotConfigured`] naming the configuration key that is missing or wrong.
pub(super) fn signer(
    id: &str,
    configured: &Configured,
    spec: &ProviderSpec,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Cloud>> {
    let clock = Arc::clone(clock);
    let key = |field: &str| format!("providers.{id}.{field}");
    if !configured.api_keys.is_empty() {
        return Ok(None);
    }
    if let Some(access_key_id) = &configured.aws_access_key_id {
        let secret = configured.aws_secret_access_key.clone().ok_or_else(|| {
            Error::new(Kind::NotConfigured, format!("provider `{id}` has half an access key"))
                .with_field(key("aws_secret_access_key"))
                .with_hint("Set AWS_SECRET_ACCESS_KEY beside AWS_ACCESS_KEY_ID.")
        })?;
        let signer = AwsSigner {
            access_key_id: access_key_id.expose_secret().to_owned(),
            secret_access_key: secret.into_inner(),
            session_token: configured.aws_session_token.clone().map(|it| it.into_inner()),
            region: region(configured, spec),
            service: "bedrock".to_owned(),
            clock,
        };
        return Ok(Some(Cloud { signer: Box::new(signer), project: None }));
    }
    if let Some(path) = &configured.service_account_file {
        let field = key("service_account_file");
        let text = read(path).map_err(|why| {
            Error::new(Kind::NotConfigured, format!("the key file `{path}` {why}"))
                .with_field(field.clone())
                .with_hint("Give the JSON key file of a service account.")
        })?;
        let signer = GoogleSigner::new(&text, clock).map_err(|error| error.with_field(field))?;
        let project = signer.project().map(str::to_owned);
        return Ok(Some(Cloud { signer: Box::new(signer), project }));
    }
    if spec.auth == Auth::AwsSigV4 || spec.auth == Auth::GoogleServiceAccount {
        let (field, name) = match spec.auth {
            Auth::AwsSigV4 => {
                ("aws_access_key_id", "AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID")
            }
            _ => ("service_account_file", "GOOGLE_APPLICATION_CREDENTIALS"),
        };
        let message = format!("provider `{id}` has no credentials");
        return Err(Error::new(Kind::NotConfigured, message)
            .with_field(key(field))
            .with_hint(format!("Set {name}, or providers.{id}.enabled = false.")));
    }
    Ok(None)
}

fn read(path: &str) -> std::result::Result<String, String> {
    let metadata = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?;
    if metadata.len() > KEY_FILE_BYTES_MAX {
        return Err(format!("is over {KEY_FILE_BYTES_MAX} bytes"));
    }
    std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))
}

fn region(configured: &Configured, spec: &ProviderSpec) -> String {
    configured.region.clone().unwrap_or_else(|| spec.default_region.clone())
}

/// The address with region and project filled in.
///
/// # Errors
/// [`Kind::NotConfigured`] where the address names a project and nobody says which.
pub(super) fn filled(
    id: &str,
    configured: &Configured,
    spec: &ProviderSpec,
    base_url: &str,
    cloud: &Option<Cloud>,
) -> Result<String> {
    let own = cloud.as_ref().and_then(|cloud| cloud.project.clone());
    let project = configured.project.clone().or(own).unwrap_or_default();
    if project.is_empty() && base_url.contains("{project}") {
        return Err(Error::new(Kind::NotConfigured, format!("provider `{id}` has no project"))
            .with_field(format!("providers.{id}.project"))
            .with_hint("Set GOOGLE_CLOUD_PROJECT."));
    }
    Ok(ProviderSpec::fill(base_url, &region(configured, spec), &project))
}

/// The way out, signing where somebody signs.
pub(super) fn way_out(upstream: &Arc<dyn Upstream>, cloud: Option<Cloud>) -> Arc<dyn Upstream> {
    match cloud {
        Some(cloud) => Arc::new(SignedUpstream::new(Arc::clone(upstream), cloud.signer)),
        None => Arc::clone(upstream),
    }
}
