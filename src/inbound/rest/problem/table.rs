//! The mapping from errors to HTTP statuses.

use std::time::Duration;

use poem::error::{MethodNotAllowedError, NotFoundError, ReadBodyError};
use poem::http::StatusCode;
use poem_openapi::error::{ParseParamError, ParsePathError};

use super::Problem;
use crate::core::auth::SignableError;
use crate::core::error::StorageError;
use crate::core::model::{CredentialError, IdentError, NameError};
use crate::core::service::{
    AppError, ConnectError, HistoryError, LoginError, LoginsThrottled, NewVapidKeyError,
    OpenPublishError, PublishError, QueueMessagesError, RosterError, SignedError,
    SubscriptionError, TargetError, TokenAccessError, UnsubscribeError, UserTokenError,
};

/// When a client should try again to queue messages.
const QUEUE_PAUSE: Duration = Duration::from_secs(10);

impl Problem {
    /// The framework's error, with a message for the caller.
    pub(crate) fn from_framework(error: poem::Error) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(problem) => return problem,
            Err(error) => error,
        };
        if error.is::<NotFoundError>() {
            return Self {
                unknown_route: true,
                ..Self::not_found("there is no such route: see /docs")
            };
        }
        if error.is::<MethodNotAllowedError>() {
            return Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "the route has no such method: see /docs",
            );
        }
        if let Some(error) = error.downcast_ref::<ParseParamError>() {
            return Self::of_parameter(error.name, &error.reason);
        }
        if let Some(error) = error.downcast_ref::<ParsePathError>() {
            // The framework numbers path parameters; their names mean nothing to the caller.
            return Self::of_parameter("in the path", &error.reason);
        }
        if let Some(error) = error.downcast_ref::<ReadBodyError>() {
            return Self::bad_request(format!("the body could not be read: {error}"));
        }
        let status = error.status();
        if status.is_server_error() {
            Self::internal(error.to_string())
        } else {
            Self::new(status, error.to_string())
        }
    }

    /// Unwraps the message of a parameter type from the framework's text.
    fn of_parameter(name: &str, reason: &str) -> Self {
        if reason.contains("expects an input value") {
            return Self::bad_request(format!("the parameter {name} is missing, or is not UTF-8"));
        }
        let inner = reason.split_once("\": ").map_or(reason, |(_, inner)| inner);
        let inner = inner
            .split_once(" (occurred while parsing")
            .map_or(inner, |(inner, _)| inner);
        Self::bad_request(format!("the parameter {name} {inner}"))
    }

    fn of_storage(message: String, error: &StorageError) -> Self {
        match error {
            StorageError::Unavailable(_) => Self::unavailable(message).caused(error.chain()),
            StorageError::NotFound | StorageError::Conflict(_) | StorageError::Corrupt(_) => {
                Self::internal(error.chain())
            }
        }
    }
}

impl From<AppError> for Problem {
    fn from(error: AppError) -> Self {
        let message = error.to_string();
        match error {
            AppError::NotFound => Self::not_found(message),
            AppError::Taken(_) => Self::new(StatusCode::CONFLICT, message),
            AppError::Name => Self::bad_request(message),
            AppError::PreviousSecret => Self::forbidden(message),
            AppError::Storage(error) => Self::of_storage(message, &error),
            AppError::Random(error) => Self::internal(error.to_string()),
        }
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        let message = error.to_string();
        match error {
            LoginError::Credentials | LoginError::ConsoleCredentials | LoginError::Session => {
                Self::unauthorized(message)
            }
            LoginError::Disabled => Self::forbidden(message),
            LoginError::Throttled(throttled) => throttled.into(),
            LoginError::Storage(error) => Self::of_storage(message, &error),
            LoginError::Random(error) => Self::internal(error.to_string()),
        }
    }
}

impl From<OpenPublishError> for Problem {
    fn from(error: OpenPublishError) -> Self {
        let message = error.to_string();
        match error {
            OpenPublishError::Connect(error) => match error {
                ConnectError::NoApp => Self::not_found(message),
                ConnectError::Storage(error) => Self::of_storage(message, &error),
                ConnectError::NodeFull | ConnectError::Admission => Self::unavailable(message),
                ConnectError::AppFull(_) => Self::too_many(message, Duration::from_secs(1)),
                ConnectError::TlsOnly
                | ConnectError::TlsUnstated
                | ConnectError::Disabled
                | ConnectError::Origin => Self::forbidden(message),
            },
            OpenPublishError::Token(_) => Self::unauthorized(message),
            OpenPublishError::Closed(_) | OpenPublishError::NotPublishable(_) => {
                Self::forbidden(message)
            }
            OpenPublishError::Rate(_) => Self::too_many(message, Duration::from_secs(1)),
            OpenPublishError::Publish(PublishError::ClientPublishOff) => Self::forbidden(message),
            OpenPublishError::Publish(error) => error.into(),
        }
    }
}

impl From<LoginsThrottled> for Problem {
    fn from(error: LoginsThrottled) -> Self {
        Self::too_many(error.to_string(), error.wait)
    }
}

impl From<UserTokenError> for Problem {
    fn from(error: UserTokenError) -> Self {
        let message = error.to_string();
        match error {
            UserTokenError::Token(_) | UserTokenError::NoApp => Self::unauthorized(message),
            UserTokenError::Disabled => Self::forbidden(message),
            UserTokenError::Storage(error) => Self::of_storage(message, &error),
        }
    }
}

impl From<TokenAccessError> for Problem {
    fn from(error: TokenAccessError) -> Self {
        Self::forbidden(error.to_string())
    }
}

impl From<SignedError> for Problem {
    fn from(error: SignedError) -> Self {
        let message = error.to_string();
        match error {
            SignedError::NoApp => Self::not_found(message),
            SignedError::Signature(_) => Self::unsigned(message),
            SignedError::Disabled => Self::forbidden(message),
            SignedError::Storage(error) => Self::of_storage(message, &error),
        }
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        let message = error.to_string();
        match error {
            // Only WebSocket publishes fail with these.
            PublishError::NotOnChannel
            | PublishError::ClientPublishOff
            | PublishError::NotCovered => Self::forbidden(message),
            PublishError::QueueFull => Self::too_many(message, Duration::from_secs(1)),
            // The append queue has logged the cause.
            PublishError::Storage(StorageError::Unavailable(_)) => Self::unavailable(message),
            PublishError::Storage(error) => Self::of_storage(message, &error),
        }
    }
}

impl From<QueueMessagesError> for Problem {
    fn from(error: QueueMessagesError) -> Self {
        let message = error.to_string();
        match error {
            QueueMessagesError::Disabled => Self::bad_request(message),
            QueueMessagesError::Full => Self::too_many(message, QUEUE_PAUSE),
            QueueMessagesError::Storage(error) => Self::of_storage(message, &error),
        }
    }
}

impl From<NewVapidKeyError> for Problem {
    fn from(error: NewVapidKeyError) -> Self {
        let message = error.to_string();
        match error {
            NewVapidKeyError::Exists => Self::new(StatusCode::CONFLICT, message),
            NewVapidKeyError::App(error) => error.into(),
            NewVapidKeyError::Random(_) | NewVapidKeyError::Encoding => Self::internal(message),
        }
    }
}

impl From<HistoryError> for Problem {
    fn from(error: HistoryError) -> Self {
        let message = error.to_string();
        match error {
            HistoryError::Storage(error) => Self::of_storage(message, &error),
            HistoryError::Busy(_) => Self::unavailable(message),
        }
    }
}

impl From<RosterError> for Problem {
    fn from(error: RosterError) -> Self {
        Self::unavailable(error.to_string()).caused(error.0.to_string())
    }
}

impl From<SubscriptionError> for Problem {
    fn from(error: SubscriptionError) -> Self {
        let message = error.to_string();
        match error {
            SubscriptionError::Kind => Self::bad_request(message),
            SubscriptionError::Storage(error) => Self::of_storage(message, &error),
        }
    }
}

impl From<TargetError> for Problem {
    fn from(error: TargetError) -> Self {
        let message = error.to_string();
        match error {
            TargetError::Kind => Self::bad_request(message),
            TargetError::Signature(_) => Self::unauthorized(message),
            TargetError::Storage(error) => Self::of_storage(message, &error),
        }
    }
}

impl From<UnsubscribeError> for Problem {
    fn from(error: UnsubscribeError) -> Self {
        let message = error.to_string();
        match error {
            UnsubscribeError::Invalid => Self::not_found(message),
            UnsubscribeError::Storage(error) => Self::of_storage(message, &error),
        }
    }
}

impl From<NameError> for Problem {
    fn from(error: NameError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<SignableError> for Problem {
    fn from(error: SignableError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<CredentialError> for Problem {
    fn from(error: CredentialError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<IdentError> for Problem {
    fn from(error: IdentError) -> Self {
        Self::bad_request(error.to_string())
    }
}
