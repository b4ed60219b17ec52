//! Invocations of databases: `tinycloud.sql/*`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use futures_util::{StreamExt as _, stream};
use openkey_capability::attenuation::Caveats;
use openkey_capability::resource::{Resource, SpaceId, SpaceResource};
use serde_json::Value;
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use crate::admission::Authorised;
use crate::allowed::{Allowed, Keeps};
use crate::asking;
use crate::counting::Count;
use crate::disk::Disk;
use crate::error::Error;
use crate::exports::{Place, at_pace};
use crate::facts::fact;
use crate::node::Node;
use crate::sql::{self, Access, Done, Effect, Request, SqlError, Stands};
use crate::standing::Standing;
use crate::store::{Admission, Entered, Entry, Statement, Store, StoreError, Wants};

/// The service of databases in resources.
pub const SERVICE: &str = "sql";
/// What abilities for it begin with.
pub const ABILITIES: &str = "tinycloud.sql/";
/// The fact by which an invoker restricts itself.
const CAVEATS: &str = "sqlCaveats";
/// Bytes of an export that are read at once.
const PIECE: usize = 32 * 1024;
/// For how long somebody who needs more room waits for what others hold, and before the first look.
const LONGEST: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);
/// How often the reservation of an export that is being read is renewed.
const RENEWED: Duration = Duration::from_secs(60);

/// Caveats of databases: [`Access::new`] keeps to all kinds that there are, and refuses others.
struct OfDatabase(Caveats);

impl Keeps for OfDatabase {
    fn read(caveats: &Caveats, _: &Resource) -> Result<Self, Error> {
        Ok(Self(caveats.clone()))
    }
}

/// Carries out an invocation of a database.
///
/// # Errors
///
/// [`Error`].
pub async fn invoke(
    node: &Node,
    authorised: &Authorised,
    facts: &[Value],
    body: &[u8],
) -> Result<Response, Error> {
    let allowed = authorised.grants.keeping()?;
    let resource = target(&allowed)?;
    let request = Request::parse(body)?;
    let own = fact(facts, CAVEATS)?.filter(|fact| !fact.is_null());
    let granted = allowed
        .iter()
        .map(|it| (&it.capability.ability, &it.kept.0));
    let space = resource.space();
    let standing = Standing::of(space.owner(), &authorised.invoker, &authorised.links);
    let resting = Resting::on(node, authorised, space);
    let access = held(Access::new(resource, granted, own)?, authorised, resource)
        .asked_by(asking::client(), standing)
        .resting_on(resting.clone().map(|it| it as Arc<dyn Stands>));
    let default_bound = node.config.default_bound(space);
    let effect = access.effect(&request);
    let wants = match effect {
        Effect::Exports => Wants::Export,
        Effect::Reads | Effect::MayWrite => Wants::Reading,
        Effect::Writes => Wants::Writing,
    };
    // before the work: whoever is answered an error does not know whether it was done
    let entry = Entry {
        admission: authorised.admission.clone(),
        space: space.clone(),
        database: resource.path().unwrap_or_default().to_owned(),
        wants,
        is_durable: effect.may_write(),
        default_bound,
    };
    let place = match wants {
        Wants::Export => Some(node.exports.begin(space.owner(), asking::client())?),
        _ => None,
    };
    let work = Work {
        place,
        disk: Arc::clone(&node.disk),
        count: Count {
            store: Arc::clone(&node.store),
            databases: Arc::clone(&node.databases),
            space: entry.space.clone(),
            database: entry.database.clone(),
        },
        default_bound,
        resting,
    };
    // whoever asked may leave, also while the mark is being written: what was reserved is settled when the work
    // has ended, and not before
    let done = tokio::spawn(async move {
        let entered = work.count.store.enter(entry).await?;
        if !entered.hosted {
            return Err(StoreError::NoSpace.into());
        }
        work.run(access, request, entered).await
    });
    done.await.map_err(std::io::Error::other)?
}

/// A request that was admitted, and what it needs.
struct Work {
    /// Of an export.
    place: Option<Place>,
    disk: Arc<Disk>,
    count: Count,
    default_bound: Option<u64>,
    resting: Option<Arc<Resting>>,
}

/// What a request rests on, and why it does not any more.
struct Resting {
    store: Arc<dyn Store>,
    admission: Admission,
    space: SpaceId,
    why: Mutex<Option<StoreError>>,
}

impl Resting {
    /// `None`: on nothing that can be taken back.
    fn on(node: &Node, authorised: &Authorised, space: &SpaceId) -> Option<Arc<Self>> {
        let admission = authorised.admission.clone();
        let resting = (!admission.chain.is_empty()).then(|| Self {
            store: Arc::clone(&node.store),
            admission,
            space: space.clone(),
            why: Mutex::default(),
        });
        resting.map(Arc::new)
    }

    fn why(&self) -> std::sync::MutexGuard<'_, Option<StoreError>> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl core::fmt::Debug for Resting {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Resting({:?})", self.admission)
    }
}

#[async_trait::async_trait]
impl Stands for Resting {
    fn statements(&self) -> &[Statement] {
        &self.admission.chain
    }

    async fn stands(&self) -> bool {
        let stands = self.store.stands(&self.admission, &self.space).await;
        *self.why() = stands.err();
        self.why().is_none()
    }
}

impl Work {
    async fn run(
        self,
        access: Access,
        request: Request,
        entered: Entered,
    ) -> Result<Response, Error> {
        let mut entered = entered;
        let may_write = access.effect(&request).may_write();
        let is_low = self.disk.is_low();
        if is_low && (may_write || matches!(request, Request::Export)) {
            // an export is copied first; what is deleted needs room in the log, at most for the whole
            // database, which must not grow
            if self.disk.fits(entered.database_bytes).is_err() {
                self.count.settle(&access, &entered, None).await;
                return Err(if may_write {
                    SqlError::LargeForDisk.into()
                } else {
                    StoreError::DiskFull.into()
                });
            }
            let most = entered.most.unwrap_or(u64::MAX);
            entered.most = Some(most.min(entered.database_bytes));
        }
        let is_export = matches!(request, Request::Export);
        let promised = (is_export && !is_low).then(|| self.disk.promise(entered.database_bytes));
        let promised = match promised.transpose() {
            Ok(promised) => promised,
            Err(full) => {
                self.count.settle(&access, &entered, None).await;
                return Err(StoreError::from(full).into());
            }
        };
        let again = (may_write && entered.most.is_some()).then(|| request.clone());
        let mut done = self.attempt(&access, request, &entered).await;
        // it is on the disk now
        drop(promised);
        let is_low = is_low || self.disk.is_low();
        if matches!(done, Err(SqlError::Quota)) && is_low {
            self.count.settle(&access, &entered, None).await;
            return Err(StoreError::DiskFull.into());
        }
        if let Some(request) = again {
            // nothing was done: once more, with all the room that there is, and as often as others held some of it
            // that they may have given back
            let (space, name) = (&self.count.space, &self.count.database);
            let began = Instant::now();
            let mut pause = PAUSE;
            while matches!(done, Err(SqlError::Quota)) {
                let others = self.others(&entered).await;
                let more =
                    self.count
                        .store
                        .enlarge(space, name, entered.reservation, self.default_bound);
                match more.await {
                    Ok(more) => {
                        entered = more;
                        done = self.attempt(&access, request.clone(), &entered).await;
                    }
                    Err(StoreError::Full { .. } | StoreError::Late) => {}
                    Err(error) => {
                        self.count.settle(&access, &entered, None).await;
                        return Err(error.into());
                    }
                }
                if !others || began.elapsed() + pause > LONGEST {
                    break;
                }
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
        let sizes = done.as_ref().ok().and_then(|done| done.sizes.as_ref());
        // also where it is counted wrongly: whoever changed it was stopped before it was counted
        let size = sizes
            .filter(|it| it.after != it.before || it.after != entered.database_bytes)
            .map(|it| it.after);
        match done {
            Ok(Done {
                response: sql::Response::Export(export),
                ..
            }) => Ok(self.export(export, &entered)),
            done => {
                // before the turn to write ends, with `done`
                match &done {
                    // its worker was killed, perhaps, or its connection given up
                    Err(
                        SqlError::Time
                        | SqlError::Preempted
                        | SqlError::Memory
                        | SqlError::DiskFull
                        | SqlError::Unwritten(_)
                        | SqlError::Unknown(_)
                        | SqlError::Internal(_),
                    ) if may_write => {
                        self.count.settle_later(&access, &entered, true);
                    }
                    _ => self.count.settle(&access, &entered, size).await,
                }
                let done = done.map_err(|error| self.refused(error))?;
                match done.response {
                    sql::Response::Json(text) => {
                        let mut answer = answer("application/json", Body::from(text));
                        if done.sizes.is_some() {
                            answer.extensions_mut().insert(asking::CarriedOut);
                        }
                        Ok(answer)
                    }
                    sql::Response::Export(_) => Err(Error::NotFound("No such answer".to_owned())),
                }
            }
        }
    }

    /// Whether others hold room of the space.
    async fn others(&self, entered: &Entered) -> bool {
        let own = entered
            .most
            .map_or(0, |most| most.saturating_sub(entered.database_bytes));
        let usage = self.count.store.usage(&self.count.space).await;
        usage.is_ok_and(|usage| usage.pending > own)
    }

    /// An error, as it is answered.
    fn refused(&self, error: SqlError) -> Error {
        match (error, &self.resting) {
            // it was not to be learnt in time
            (SqlError::Withdrawn, Some(resting)) => {
                let why = resting.why().take();
                why.unwrap_or(StoreError::Locked).into()
            }
            (error, _) => error.into(),
        }
    }

    async fn attempt(
        &self,
        access: &Access,
        request: Request,
        entered: &Entered,
    ) -> Result<Done, SqlError> {
        let mut access = access.clone();
        if access.effect(&request).may_write() {
            access = access.may_create(true);
            if let Some(most) = entered.most {
                access = access.max_bytes(most);
            }
        }
        self.count
            .databases
            .run(&access.database(), &access, request)
            .await
    }

    /// An export counts until somebody has read it, or does not want it any more.
    fn export(mut self, export: sql::Export, entered: &Entered) -> Response {
        let place = self.place.take();
        let file = ReaderStream::with_capacity(File::from_std(export.file), PIECE);
        let unread = entered.reservation.map(|reservation| Unread {
            reservation,
            renewed: Instant::now(),
            work: self,
        });
        let pieces = stream::unfold((file, unread), async |(mut file, unread)| {
            let piece = file.next().await?;
            let unread = match unread {
                Some(unread) => Some(unread.renewed().await),
                None => None,
            };
            Some((piece, (file, unread)))
        });
        let pieces = at_pace(pieces.boxed(), place);
        answer("application/x-sqlite3", Body::from_stream(pieces))
    }
}

/// An export that is on its way.
struct Unread {
    reservation: i64,
    renewed: Instant,
    work: Work,
}

impl Unread {
    async fn renewed(mut self) -> Self {
        if self.renewed.elapsed() >= RENEWED {
            self.renewed = Instant::now();
            if let Err(error) = self.work.count.store.renew(self.reservation).await {
                tracing::warn!(%error, "an export is not counted any more");
            }
        }
        self
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let Count {
            store,
            space,
            database,
            ..
        } = &self.work.count;
        let (store, space, database) = (Arc::clone(store), space.clone(), database.clone());
        let reservation = self.reservation;
        // where there is no runtime any more, it dies with its time
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let settled = store.settle(&space, &database, reservation, None).await;
                if let Err(error) = settled {
                    tracing::warn!(%error, "an export counts though it has ended");
                }
            });
        }
    }
}

/// An access, with what the invoker holds beside what it invokes.
fn held(access: Access, authorised: &Authorised, resource: &SpaceResource) -> Access {
    if resource.space().owner() == &authorised.invoker {
        return access.owned();
    }
    let wanted = Resource::Space(resource.clone());
    let links = authorised.links.iter();
    let own = links.filter(|link| link.delegatee() == &authorised.invoker);
    let all = own.flat_map(|link| link.capabilities());
    let free = all.filter(|it| it.caveats.is_none() && wanted.extends(&it.resource));
    access.held(free.map(|it| &it.ability))
}

/// The one database that an invocation is about.
fn target(allowed: &[Allowed<OfDatabase>]) -> Result<&SpaceResource, Error> {
    let bad = |what: &str| Error::Bad(what.to_owned());
    let mut target: Option<&SpaceResource> = None;
    for allowed in allowed {
        let Resource::Space(resource) = &allowed.capability.resource else {
            return Err(bad("An invocation of a database is about nothing else"));
        };
        let is_sql = resource.service() == SERVICE
            && allowed.capability.ability.as_str().starts_with(ABILITIES);
        if !is_sql {
            return Err(bad("An invocation of a database is about nothing else"));
        }
        match target {
            Some(other) if other.space() != resource.space() => {
                return Err(bad("Ambiguous sql capabilities span multiple spaces"));
            }
            Some(other) if other.path() != resource.path() => {
                return Err(bad("Ambiguous sql capabilities span multiple paths"));
            }
            _ => target = Some(resource),
        }
    }
    target.ok_or_else(|| bad("The invocation names no database"))
}

fn answer(kind: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
