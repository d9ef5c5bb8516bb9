//! `confd.toml`.

use std::path::Path;

use super::SettingsError;
use super::layer::Layer;
use super::options::{FOREIGN, Kind, OPTIONS};
use crate::config::diagnostic::{Diagnostic, did_you_mean, quoted};
use crate::render::document::{Document, Fields, whole_file};

/// What the file at `path` gives, and warnings.
pub(super) fn read(path: &Path) -> Result<(Layer, Vec<String>), SettingsError> {
    let document = Document::read(path).map_err(|error| joined(&[whole_file(path, error.to_string())]))?;
    let root = document.parse().map_err(|error| joined(&[error]))?;
    let (mut layer, mut errors, mut warnings) = (Layer::default(), Vec::new(), Vec::new());
    for (key, value) in root.get_ref() {
        let name = key.get_ref().replace('-', "_");
        let Some(option) = OPTIONS.iter().find(|option| option.key == Some(name.as_str())) else {
            let shown = quoted(key.get_ref());
            if FOREIGN.contains(&name.replace('_', "-").as_str()) {
                let message =
                    format!("{shown} belongs to a store that vipward does not have, and does nothing");
                warnings.push(document.warning(key.span(), message).to_string());
                continue;
            }
            let mut finding = document.error(key.span(), format!("unknown key {shown}"));
            finding.help = did_you_mean(&name, OPTIONS.iter().filter_map(|option| option.key));
            errors.push(finding);
            continue;
        };
        let known = [key.get_ref().as_ref()];
        let mut fields = Fields::new(&document, root.get_ref(), &[]);
        fields.findings.clear();
        let name: &str = known[0];
        let texts = match option.kind {
            Kind::Switch => fields.boolean(name).map(|on| vec![on.to_string()]),
            Kind::Number => fields.integer(name).map(|number| vec![number.into_inner().to_string()]),
            Kind::Text => fields.text(name).map(|text| vec![text.into_inner()]),
            Kind::List => {
                fields.list(name).map(|texts| texts.into_iter().map(toml::Spanned::into_inner).collect())
            }
        };
        errors.append(&mut fields.findings);
        let place = document.warning(value.span(), "").at.to_string();
        for text in texts.into_iter().flatten() {
            layer.add(option, text, place.clone());
        }
    }
    if errors.is_empty() { Ok((layer, warnings)) } else { Err(joined(&errors)) }
}

fn joined(findings: &[Diagnostic]) -> SettingsError {
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    SettingsError::File(lines.join("\n"))
}
