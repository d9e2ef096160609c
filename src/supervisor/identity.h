/* Who the processes below the supervisor are: the user of the configuration, and how to become it.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "config/config.h"

typedef struct
{
  gboolean change; /* FALSE: stay who we are */
  gchar *name;     /* owned; NULL when nothing changes */
  uid_t uid;
  gid_t gid;
} SupervisorIdentity;

typedef enum
{
  SUPERVISOR_IDENTITY_RUN,  /* we must be able to become the user */
  SUPERVISOR_IDENTITY_CHECK /* it is enough that the user exists */
} SupervisorIdentityUse;

/* Holds `user` against `euid`, who we are. Root without `user` stays root only while every listener
 * is on loopback, with a warning; else it is an error. FALSE: errors were added. */
gboolean supervisor_identity_resolve (SupervisorIdentity *identity, const Config *config,
                                      uid_t euid, SupervisorIdentityUse use, ConfigErrors *errors);
void supervisor_identity_clear (SupervisorIdentity *identity);
/* In a freshly forked child: becomes the user for good, and gives up the gain of privileges through
 * exec. FALSE: errno says why; the child must end. */
gboolean supervisor_identity_assume (const SupervisorIdentity *identity);
