/* The client's half of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding: three texts and
 * two answers. Whatever the server says that is not to be believed comes back as NULL or FALSE. */
#pragma once

#include <glib.h>

/* The work that a server may ask for: RFC 7677 section 4 has the least, the most keeps a hostile
 * one from holding us up. */
#define SMTP_SCRAM_LEAST_ITERATIONS 4096
#define SMTP_SCRAM_MOST_ITERATIONS 100000
#define SMTP_SCRAM_MAX_SALT 1024 /* octets, decoded */

typedef struct _SmtpScram SmtpScram;

/* `nonce` is printable ASCII without commas, new each time. All are copied. */
SmtpScram *smtp_scram_new (const gchar *user, const gchar *password, const gchar *nonce);
void smtp_scram_free (SmtpScram *scram); /* NULL is fine; what is secret is wiped */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SmtpScram, smtp_scram_free)

/* The first message. Caller frees. */
gchar *smtp_scram_first (const SmtpScram *scram);
/* The answer to the server's first message; NULL: none can be given. Caller frees. */
gchar *smtp_scram_final (SmtpScram *scram, const gchar *server_first);
/* Whether the server's last message proves that it knows the password. */
gboolean smtp_scram_verify (const SmtpScram *scram, const gchar *server_final);
