/* Drives a client machine through a written conversation and writes down what it did: the record of
 * a machine that does as expected is the conversation itself. Scripts belong to the tests: mistakes
 * in one abort. */
#pragma once

#include <glib.h>

#include "smtp/client.h"

/* Lines of a script and of the record, each ended by '\n':
 *   S: text    what the server sends; CRLF is added unless the line ends with "\c"; \r \n \0 \t
 * \xHH are octets H: action  what the host does: mail ADDRESS [PARAMETER…], rcpt …, data, body
 * TEXT, end, rset, noop, quit, tls, eof, lmtp, bdat TEXT and last TEXT (chunks), auth MECHANISM
 * [INITIAL], respond [TEXT], login USER PASSWORD, xclient NAME=VALUE…, xforward …; E: event   what
 * the machine told C: text    what the machine wrote, a line; "C> text" is one without its CRLF
 * Neighbouring S: lines are one segment. Host commands get the tags 1, 2, 3, …
 *
 * `split`: 0 feeds each segment whole, 1 octet by octet, more: in random pieces from this seed.
 * Caller frees. */
gchar *client_driver_run (const gchar *script, SmtpClientTls tls, guint split);

/* Runs the script whole, octet by octet and in several random splits; each record must be the
 * script. */
void client_driver_check (const gchar *script, SmtpClientTls tls);

/* "REPLY MAIL 1 250 2.1.0 Ok", appended with "E: " before and '\n' behind. */
void client_driver_describe (GString *record, const SmtpClientEvent *event);

/* Moves all output to `bytes`, through the iovec as a host does. */
void client_driver_take_output (SmtpClient *client, GByteArray *bytes);
