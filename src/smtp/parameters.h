/* The ESMTP parameters of MAIL and RCPT: which there are, which extension each belongs to, what a well-formed value is. */
#pragma once

#include "base/path.h"
#include "base/reply.h"
#include "smtp/capability.h"

/* The capabilities that an upstream must offer before it may be sent this path's parameters (address
 * octets over 127 need SMTPUTF8; BODY=7BIT and SIZE need nothing: they are left out where they are not offered). */
guint32 smtp_parameters_needs (const BasePath *path);

typedef enum
{
  SMTP_PARAMETER_OF_MAIL,
  SMTP_PARAMETER_OF_RCPT
} SmtpParameterSide;

/* Checks the parameters of a path against the table of the extensions: keyword known, offered in `offered`, value well-formed,
 * given once. Used by the commands, and by the host when a filter edits an envelope. NULL: fine; else the refusal, which names
 * the parameter (555 5.5.4 not known or not offered, 501 5.5.4 malformed or doubled, 552 5.3.4 SIZE over offered.size). Caller frees. */
BaseReply *smtp_parameters_check (const BasePath *path, SmtpParameterSide side, guint32 offered_flags, guint64 max_size);
