//! Delivers e-mails over SMTP.

mod connect;
mod failure;
mod mail;
mod pool;
mod sender;
mod starttls;
mod stream;

pub use sender::EmailSender;

#[cfg(test)]
mod tests;
