//! What tests ask of an engine: the time, faults, snapshots, what clients have sent.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oxidis::{Clock, DatabaseKey, Engine, Fault, FaultGuard, RecordedCommand, Snapshot};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error;
use crate::process::OfThisProcess;

/// A key and the number of its database.
type Key<'py> = (Bound<'py, PyBytes>, usize);

/// Time, in seconds since 1970; number and name of the client; database; words.
type Sent<'py> = (
    f64,
    u64,
    Bound<'py, PyBytes>,
    usize,
    Vec<Bound<'py, PyBytes>>,
);

/// The clock that is meant: a manual one stands still, from a time in seconds since 1970 on if one is given.
pub fn clock(is_manual: bool, at_seconds: Option<f64>) -> PyResult<Clock> {
    Ok(match (is_manual, at_seconds) {
        (false, _) => Clock::System,
        (true, None) => Clock::Manual,
        (true, Some(seconds)) => Clock::ManualAt(moment(seconds)?),
    })
}

fn moment(seconds: f64) -> PyResult<SystemTime> {
    Ok(UNIX_EPOCH + duration(seconds)?)
}

fn duration(seconds: f64) -> PyResult<Duration> {
    // Whole microseconds: what a float has beyond them is noise.
    let refused = |_| pyo3::exceptions::PyValueError::new_err("time is no number of seconds");
    let duration = Duration::try_from_secs_f64(seconds + 0.5e-6).map_err(refused)?;
    Ok(Duration::from_micros(duration.as_micros() as u64))
}

/// A snapshot of a data set.
#[pyclass(frozen, module = "oxidis._native")]
pub struct NativeSnapshot(OfThisProcess<Snapshot>);

#[pymethods]
impl NativeSnapshot {
    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.0.get(py)?.len())
    }
}

/// A fault that goes on until it is ended.
#[pyclass(frozen, module = "oxidis._native")]
pub struct NativeFault(OfThisProcess<Mutex<State>>);

enum State {
    On(FaultGuard),
    /// So many requests met it.
    Ended(u64),
}

#[pymethods]
impl NativeFault {
    /// How many requests have met it.
    fn met(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(match &*self.0.get(py)?.lock() {
            State::On(guard) => guard.met(),
            State::Ended(met) => *met,
        })
    }

    /// Ends it.
    fn end(&self, py: Python<'_>) -> PyResult<()> {
        let mut state = self.0.get(py)?.lock();
        if let State::On(guard) = &*state {
            *state = State::Ended(guard.met());
        }
        Ok(())
    }
}

/// An engine, as tests have it in their hands.
#[pyclass(frozen, module = "oxidis._native")]
pub struct Control(OfThisProcess<Engine>);

impl Control {
    pub fn of(engine: Engine) -> Self {
        Control(OfThisProcess::new(engine))
    }

    fn get(&self, py: Python<'_>) -> PyResult<&Engine> {
        self.0.get(py)
    }
}

#[pymethods]
impl Control {
    /// Moves the clock on.
    fn advance(&self, py: Python<'_>, seconds: f64) -> PyResult<()> {
        let (engine, time) = (self.get(py)?, duration(seconds)?);
        let moved = py.detach(|| engine.advance(time));
        moved.map_err(|reason| error::server(py, reason))
    }

    /// Moves the clock to a time, in seconds since 1970.
    fn set_time(&self, py: Python<'_>, seconds: f64) -> PyResult<()> {
        let (engine, time) = (self.get(py)?, moment(seconds)?);
        let moved = py.detach(|| engine.set_time(time));
        moved.map_err(|reason| error::server(py, reason))
    }

    /// The time on the clock, in seconds since 1970.
    fn now(&self, py: Python<'_>) -> PyResult<f64> {
        let since = self.get(py)?.now().duration_since(UNIX_EPOCH);
        Ok(since.unwrap_or_default().as_secs_f64())
    }

    /// Has requests meet a fault: `effect` is one of `error`, `delay`, `cut`, `cut_reply` and `lose_reply`.
    #[pyo3(signature = (effect, text, seconds, command, key, client, skip, times))]
    #[allow(clippy::too_many_arguments, reason = "Python gives them names")]
    fn fault(
        &self,
        py: Python<'_>,
        effect: &str,
        text: &str,
        seconds: f64,
        command: Option<&str>,
        key: Option<&[u8]>,
        client: Option<&[u8]>,
        skip: u64,
        times: Option<u64>,
    ) -> PyResult<NativeFault> {
        let mut fault = match effect {
            "error" => Fault::error(text),
            "delay" => Fault::delay(duration(seconds)?),
            "cut" => Fault::cut(),
            "cut_reply" => Fault::cut_reply(),
            "lose_reply" => Fault::lose_reply(),
            other => return Err(error::argument(py, &format!("{other} is no fault"))),
        };
        if let Some(command) = command {
            fault = fault.command(command);
        }
        if let Some(key) = key {
            fault = fault.key(key);
        }
        if let Some(client) = client {
            fault = fault.client(client);
        }
        if let Some(times) = times {
            fault = fault.times(times);
        }
        let guard = self.get(py)?.fault(fault.skip(skip));
        let guard = guard.map_err(|reason| error::argument(py, &reason.to_string()))?;
        Ok(NativeFault(OfThisProcess::new(Mutex::new(State::On(
            guard,
        )))))
    }

    /// The data set as it is now.
    fn snapshot(&self, py: Python<'_>) -> PyResult<NativeSnapshot> {
        let engine = self.get(py)?;
        let taken = py.detach(|| engine.snapshot());
        let snapshot = taken.map_err(|reason| error::server(py, reason))?;
        Ok(NativeSnapshot(OfThisProcess::new(snapshot)))
    }

    /// Puts a snapshot in the place of the data set.
    fn restore(&self, py: Python<'_>, snapshot: &NativeSnapshot) -> PyResult<()> {
        let (engine, snapshot) = (self.get(py)?, snapshot.0.get(py)?);
        let restored = py.detach(|| engine.restore(snapshot));
        restored.map_err(|reason| error::server(py, reason))
    }

    /// What was added, removed and changed since a snapshot.
    fn diff<'py>(
        &self,
        py: Python<'py>,
        since: &NativeSnapshot,
    ) -> PyResult<(Vec<Key<'py>>, Vec<Key<'py>>, Vec<Key<'py>>)> {
        let (engine, since) = (self.get(py)?, since.0.get(py)?);
        let compared = py.detach(|| engine.diff(since));
        let differences = compared.map_err(|reason| error::server(py, reason))?;
        let keys = |keys: Vec<DatabaseKey>| {
            let keys = keys.into_iter();
            keys.map(|it| (PyBytes::new(py, &it.key), it.database))
                .collect()
        };
        Ok((
            keys(differences.added),
            keys(differences.removed),
            keys(differences.changed),
        ))
    }

    /// Keeps what clients send from now on, the last so many commands.
    fn record_commands(&self, py: Python<'_>, count_max: usize) -> PyResult<()> {
        self.get(py)?.record_commands(count_max);
        Ok(())
    }

    /// What clients have sent, as far as it is kept.
    fn commands<'py>(&self, py: Python<'py>) -> PyResult<Vec<Sent<'py>>> {
        let commands = self.get(py)?.commands();
        Ok(commands.into_iter().map(|it| sent(py, it)).collect())
    }

    /// Forgets what clients have sent so far.
    fn clear_commands(&self, py: Python<'_>) -> PyResult<()> {
        self.get(py)?.clear_commands();
        Ok(())
    }
}

fn sent(py: Python<'_>, command: RecordedCommand) -> Sent<'_> {
    let words = command.arguments.iter();
    (
        command.at_us as f64 / 1e6,
        command.client_id,
        PyBytes::new(py, &command.client_name),
        command.database,
        words.map(|word| PyBytes::new(py, word)).collect(),
    )
}
