/* Mail servers that Debian can not install beside Postfix, run from where `tools/packages unpack`
 * has put them. Their passwd(5), spool and /run are the test's own, bound over the machine's in a
 * mount namespace of their own; only root can make one. They take mail for b@up.test and c@up.test
 * into Maildirs, and refuse others there. */
#pragma once

#include "kit.h"

/* ---- What both stand on ---- */

/* NULL: this package is unpacked and can be run. */
const gchar *kit_unpacked_why_not (const gchar *package);
/* Starts `command` where each "from:to" of `mounts` is bound (a `from` without a slash ahead is
 * below `folder`, one that begins with "=" below the package), and `users` are all that there are:
 * each with the uid and gid of its place behind 901, but for those behind "|", who are nobody. */
KitProcess *kit_unpacked_start (const gchar *name, const gchar *package, const gchar *folder,
                                const gchar *const *users, const gchar *const *mounts,
                                const gchar *command);

/* ---- Exim. It refuses a message with "refuse" in its subject by its data ACL. ---- */
typedef struct _KitExim KitExim;

/* NULL: it can not run here, and `*reason` says why. `settings` are further lines of the main
 * section; `onward` says who gets mail for all other domains ("* 127.0.0.1::PORT", several between
 * semicolons), by a transport with the further options `transport`. These may be NULL. */
KitExim *kit_exim (const gchar *name, guint port, const gchar *settings, const gchar *onward,
                   const gchar *transport, const gchar **reason);
gchar *kit_exim_log (const KitExim *exim); /* its mainlog */
void kit_exim_wait_log (const KitExim *exim, const gchar *text);
gchar *kit_exim_folder (const KitExim *exim, const gchar *user); /* its Maildir's new/ */
gchar *kit_exim_version (const KitExim *exim);                   /* "Exim 4.96" */
void kit_exim_stop (KitExim *exim);                              /* and frees it */

/* ---- OpenSMTPD. It refuses a message from refuse@client.test by a filter behind the data. It
 * shows NAME.pem, if there is a `certificate` of that name. ---- */
typedef struct _KitOpensmtpd KitOpensmtpd;

KitOpensmtpd *kit_opensmtpd (const gchar *name, guint port, const gchar *certificate,
                             const gchar **reason);
gchar *kit_opensmtpd_folder (const KitOpensmtpd *opensmtpd, const gchar *user);
gchar *kit_opensmtpd_version (const KitOpensmtpd *opensmtpd);
void kit_opensmtpd_stop (KitOpensmtpd *opensmtpd);
