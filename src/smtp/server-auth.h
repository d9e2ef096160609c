/* The lines of an authentication exchange (RFC 4954), which are no commands. */
#pragma once

#include "smtp/server-input.h"

/* No space and no control character: whether it is base64, the mechanism's owner decides. */
gboolean smtp_auth_is_response (const gchar *text, gsize length);
/* Fills server->event with the client's response; `line` is NULL if it was too long. `torn`: a bare
 * newline was in it, the session ends with the answer. */
void smtp_auth_take_response (SmtpServer *server, const SmtpLine *line, gboolean torn);
