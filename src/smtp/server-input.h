/* Where the server's octets come from: what an earlier settle() kept, then the borrowed window.
 * Commands are taken as lines, data as it lies. Nothing is copied but a line that was cut. Lines
 * over the limit are dropped here, whatever their length. */
#pragma once

#include "smtp/server-private.h"

typedef enum
{
  SMTP_LINE_NONE, /* no complete line */
  SMTP_LINE_GOOD,
  SMTP_LINE_TOO_LONG /* it was dropped up to and with its LF */
} SmtpLineResult;

typedef struct
{
  gchar *bytes; /* without its line end; one octet behind it may be overwritten */
  gsize length;
  gboolean bare_lf; /* it ended in a LF without CR; also of one that is TOO_LONG */
} SmtpLine;

/* The octets that come next, in one piece; more may lie behind them. Sets `length`. */
guint8 *smtp_input_bytes (SmtpServer *server, gsize *length);
/* Drops what server->used says. */
void smtp_input_release (SmtpServer *server);
/* GOOD leaves the line in place and counts it as used; setting server->used to 0 puts it back. */
SmtpLineResult smtp_input_take_line (SmtpServer *server, SmtpLine *line);
