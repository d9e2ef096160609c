/* NOOP (RFC 5321 section 4.1.1.9): its argument means nothing. */
#include "smtp/commands/command.h"

const SmtpCommand smtp_command_noop = {
  .event = SMTP_SERVER_NOOP,
  .verb = "NOOP",
  .syntax = "NOOP [text]",
  .states = SMTP_STATES_ALL,
  .flags = SMTP_COMMAND_BEFORE_TLS,
  .parse = smtp_parse_optional,
};
