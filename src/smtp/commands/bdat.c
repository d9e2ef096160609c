/* BDAT (RFC 3030 section 2): a chunk of the message, its octets right behind the line. Refused
 * here: bad syntax, no recipient, too many small chunks. The octets are server-chunk.c's; the host
 * is asked about the first chunk only. */
#include "smtp/commands/command.h"

#include <string.h>

#include "smtp/server-chunk.h"

static gboolean
has_syntax (const gchar *argument)
{
  argument += strspn (argument, "0123456789");
  argument += strspn (argument, " \t");
  return *argument == '\0' || g_ascii_strcasecmp (argument, "LAST") == 0;
}

static BaseReply *
parse (SmtpServer *server, const SmtpCommand *row, const gchar *argument, gsize length)
{
  SmtpChunkLine line;

  smtp_chunk_measure (argument, length, &line);
  if (line.kind != SMTP_CHUNK_GOOD || !has_syntax (argument))
    return smtp_command_syntax_error (row);
  if (server->state == SMTP_STATE_MAIL)
    return server->refused > 0 && !server->limits->lmtp
               ? base_reply_new (554, 5, 5, 1, "No valid recipients")
               : base_reply_new (503, 5, 5, 1, "Need RCPT command");
  if (!line.last && line.size < SMTP_SERVER_TINY_CHUNK
      && ++server->tiny > SMTP_SERVER_MAX_TINY_CHUNKS)
    return base_reply_new (421, 4, 7, 0, "Too many small chunks");
  return NULL;
}

const SmtpCommand smtp_command_bdat = {
  .event = SMTP_SERVER_BDAT,
  .verb = "BDAT",
  .syntax = "BDAT size [LAST]",
  .states = SMTP_STATES_OPEN | SMTP_STATE_CHUNKS,
  .flags = SMTP_COMMAND_LATER,
  .offer = SMTP_CAP_CHUNKING,
  .misplaced = "Need MAIL command",
  .parse = parse,
  .answered = smtp_chunk_answered,
};
