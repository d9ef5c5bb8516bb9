//! What the engine renders from, in earnest: the store that the settings name, and the templates of the confd directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::discover;
use super::engine::{Render, RenderError, Templates};
use super::keys::Keys;
use super::service::Sources;
use super::settings::{Schedule, Settings};
use super::store::{Error, Health, Live, Options, Store};
use super::template::{Context, Fault, SystemLookup, Template, TemplateError};

/// The store and the templates of these settings. Nothing is connected before it is used.
pub fn sources(settings: &Settings) -> Result<Sources, Error> {
    let options = options(settings);
    // Without nodes yet, it tells all the same whether the rest can be used.
    let store = Store::open(options.clone())?;
    let (schedule, record) = (settings.schedule, settings.srv_record.clone());
    Ok(Sources {
        store: Box::new(move |paths, live| {
            tokio::spawn(async move {
                let store = match record {
                    None => Some(store),
                    Some(record) => {
                        let lookup = Arc::new(SystemLookup::default());
                        discover::store(&record, options, schedule, lookup, &live).await
                    }
                };
                if let Some(store) = store {
                    feed(store, schedule, paths, live).await;
                }
            })
        }),
        templates: Arc::new(Folder::of(settings)),
    })
}

/// Keeps `live` as current as `schedule` wants it.
async fn feed(store: Store, schedule: Schedule, paths: Vec<String>, live: Live) {
    if paths.is_empty() {
        // Without resources there is nothing to ask for, and nothing to wait for either.
        live.set_health(Health::Connected { since: Instant::now(), node: store.backend().name().to_owned() });
        return;
    }
    match schedule {
        Schedule::Once => store.load(&paths, &live).await,
        Schedule::Watch => match store.follow(&paths, &live).await {},
        Schedule::Every(interval) => match store.poll(&paths, &live, interval).await {},
    }
}

fn options(settings: &Settings) -> Options {
    let mut options = Options::new(settings.backend);
    options.nodes.clone_from(&settings.nodes);
    options.scheme.clone_from(&settings.scheme);
    if let Some(user) = &settings.credentials {
        options.username = Some(user.username.clone()).filter(|name| !name.is_empty());
        options.password = Some(user.password.clone());
    }
    options.auth_token.clone_from(&settings.auth_token);
    options.client_ca.clone_from(&settings.tls.ca);
    options.client_cert.clone_from(&settings.tls.cert);
    options.client_key.clone_from(&settings.tls.key);
    options.separator.clone_from(&settings.separator);
    options.files.clone_from(&settings.files);
    options.filter.clone_from(&settings.filter);
    options
}

/// The folder `templates` of a confd directory.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// One for all, for it bounds how many names are looked up at a time.
    context: Context,
}

impl Folder {
    /// That of these settings.
    pub fn of(settings: &Settings) -> Folder {
        Folder { path: settings.confdir.join("templates"), context: Context::default() }
    }

    /// Compiles the template at `src`.
    pub fn compile(&self, src: &Path) -> Result<Template, TemplateError> {
        let name = src.strip_prefix(&self.path).unwrap_or(src);
        Template::load(&self.path, &name.to_string_lossy())
    }
}

impl Templates for Folder {
    fn load(&self, src: &Path) -> Result<Arc<dyn Render>, String> {
        let template = self.compile(src).map_err(|error| error.to_string())?;
        Ok(Arc::new(Compiled { template, context: self.context.clone() }))
    }
}

struct Compiled {
    template: Template,
    context: Context,
}

impl Render for Compiled {
    fn render(&self, keys: &Keys) -> Result<String, RenderError> {
        self.template.render(keys, &self.context).map_err(|error| match &error.fault {
            Fault::MissingKey { key, .. } => RenderError::Waiting {
                key: key.clone(),
                place: format!("{}:{}", error.file.display(), error.line),
            },
            _ => RenderError::Failed(error.to_string()),
        })
    }

    fn files(&self) -> Vec<PathBuf> {
        self.template.files()
    }
}
