//! The services of the shipped binary, and what the HTTP service among them is made of on Linux.

use tidegate_core::http::head::Limits;
use tidegate_core::http::status::Status;
use tidegate_core::limits::LISTENERS_MAX;
use tidegate_core::service::frame::{Frame, Limits as FrameLimits};
use tidegate_core::service::http::{Access, Answered, Fixed, Http, Pages, Piece, Reply, Request, Route, Routes, Site};
use tidegate_core::service::{Discard, Echo};
use tidegate_core::stats::Stats;

use crate::access;
use crate::exit::Failure;
use crate::files::{self, Disk};
use crate::settings::{self, AccessLog, Settings, Socket};
use crate::status::View;

tidegate_core::service_set! {
    /// The services of the shipped binary.
    pub struct Services, Kind, State {
        echo: Echo = "echo",
        discard: Discard = "discard",
        frame: Frame<'static> = "frame",
        http: Http<'static, Disk, Hooks> = "http",
    }
}

/// What a worker adds to the HTTP service: the pages about the server, and a line for each request, where that is
/// wanted.
pub struct Hooks {
    pub pages: Pages<'static, View<'static>>,
    access: [AccessLog; LISTENERS_MAX],
}

impl Routes for Hooks {
    #[inline]
    fn serves(&self, listener: usize) -> bool {
        self.pages.serves(listener)
    }

    fn answer(&mut self, request: &Request<'_>, reply: &mut Reply<'_>) -> Answered {
        self.pages.answer(request, reply)
    }

    fn piece(&mut self, page: u32, at: u32, into: &mut Piece<'_, '_>) -> Option<u32> {
        self.pages.piece(page, at, into)
    }

    #[inline]
    fn served(&mut self, request: &Request<'_>, status: Status, len: u64) {
        match self.access.get(request.listener) {
            None | Some(AccessLog::Off) => {}
            Some(form) => access::write(*form, request, status, len),
        }
    }
}

/// Builds all services and gives each listener its own. What they keep of the settings they keep for ever.
pub fn build(settings: &'static Settings, disk: Disk, stats: &'static Stats, view: View<'static>) -> Services {
    let mut access = [AccessLog::Off; LISTENERS_MAX];
    for (form, socket) in access.iter_mut().zip(&settings.sockets) {
        *form = socket.http.access_log;
    }
    let sites: Vec<Site<'static>> = settings.sockets.iter().map(site).collect();
    let pages = Pages::new(view, settings.sockets.iter().map(may_see).collect::<Vec<_>>().leak());
    let http = Http::new(disk, Hooks { pages, access }, sites.leak(), &stats.http);
    let frames: Vec<FrameLimits> = settings.sockets.iter().map(frame_limits).collect();
    let frame = Frame::new((), frames.leak(), &stats.frame);
    let mut services = Services::new(Echo, Discard, frame, http);
    for (index, socket) in settings.sockets.iter().enumerate().take(LISTENERS_MAX) {
        if let Some(kind) = Kind::named(&socket.service) {
            services.assign(index, kind);
        }
    }
    services
}

/// What can be known before anything forks, on the operator's terminal: that all roots are there, and that nothing is
/// asked for that would not be served.
pub fn check(settings: &Settings, name: &str) -> Result<(), Failure> {
    files::check(settings, name)
}

fn may_see(socket: &'static Socket) -> Access<'static> {
    if socket.http.status { Access::Only(&socket.http.status_allow) } else { Access::None }
}

fn frame_limits(socket: &Socket) -> FrameLimits {
    let settings::Frame { frame_bytes_max, flood_count, flood_interval_ms, unanswered_max, .. } = socket.frame;
    FrameLimits { frame_bytes_max, flood_count, flood_interval_ms, unanswered_max }
}

fn site(socket: &'static Socket) -> Site<'static> {
    let http = &socket.http;
    let answer = |answer: &'static settings::Answer| {
        let settings::Answer { path, status, media_type, text } = answer;
        Route { prefix: path, answer: Fixed::Text { status: *status, kind: media_type, text } }
    };
    let redirect = |redirect: &'static settings::Redirect| Route {
        prefix: &redirect.path,
        // Not for ever: a browser would keep it past the next change of the configuration.
        answer: Fixed::Redirect { status: Status::Found, url: &redirect.to },
    };
    let routes: Vec<Route<'static>> =
        http.answers.iter().map(answer).chain(http.redirects.iter().map(redirect)).collect();
    Site {
        limits: Limits {
            head_bytes: http.head_bytes,
            fields: http.fields,
            target_bytes: http.target_bytes,
            body_bytes: http.body_bytes,
        },
        routes: routes.leak(),
        index: &http.index,
        not_found: &http.error_page,
    }
}
