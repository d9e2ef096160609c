/* A server of the building blocks in a thread of its own: takes what comes, refuses recipients
 * whose address begins with "bad" (550) or "later" (450), keeps what it took. */
#pragma once

#include <mailweir/smtp.h>

typedef struct
{
  WeirServer *server;
  GThread *thread;
  const WeirHooks *hooks;
  GString *port;       /* as text */
  GPtrArray *mails;    /* of WeirMail; read it after the stop */
  GString *tls;        /* of the last session */
  const gchar *answer; /* to the message, "552 text"; NULL: 250 */
  gint sessions;
} Upstream;

/* `settings` as for weir_server_new(). */
Upstream *upstream_start (const WeirSettings *settings);
/* With hooks of the test's own, which must be static. */
Upstream *upstream_start_with (const WeirSettings *settings, const WeirHooks *hooks);
void upstream_stop (Upstream *upstream);
void upstream_free (Upstream *upstream); /* stops first */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Upstream, upstream_free)
