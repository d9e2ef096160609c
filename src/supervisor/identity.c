/* Giving up root: which user, and the calls in the order that leaves no way back. Fails when the
 * user does not exist or we may not become it. */
#include "supervisor/identity.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"

static gboolean
only_loopback (const Config *config)
{
  for (guint i = 0; i < config->listeners->len; i++)
    {
      const ConfigListener *listener = g_ptr_array_index (config->listeners, i);

      for (guint j = 0; j < listener->n_endpoints; j++)
        if (!base_endpoint_is_loopback (&listener->endpoints[j]))
          return FALSE;
    }
  return TRUE;
}

static gboolean
without_user (const Config *config, uid_t euid, ConfigErrors *errors)
{
  if (euid != 0)
    return TRUE;
  if (only_loopback (config))
    {
      base_log (BASE_LOG_WARNING, "running as root, filters included: set \"user\" in the "
                                  "configuration; accepted only because every listener is on "
                                  "loopback");
      return TRUE;
    }
  config_errors_add (errors, config_block_place_of (config->tree, "user"),
                     "started as root: \"user\" must name the user to become, because a listener "
                     "is reachable from other hosts");
  return FALSE;
}

gboolean
supervisor_identity_resolve (SupervisorIdentity *identity, const Config *config, uid_t euid,
                             SupervisorIdentityUse use, ConfigErrors *errors)
{
  const ConfigPlace *place = config_block_place_of (config->tree, "user");
  const struct passwd *entry;

  *identity = (SupervisorIdentity){ 0 };
  if (config->user == NULL)
    return without_user (config, euid, errors);
  entry = getpwnam (config->user);
  if (entry == NULL)
    {
      config_errors_add (errors, place, "there is no user \"%s\" on this system", config->user);
      return FALSE;
    }
  if (entry->pw_uid == euid || (euid != 0 && use == SUPERVISOR_IDENTITY_CHECK))
    return TRUE;
  if (euid != 0)
    {
      config_errors_add (errors, place, "only root can become the user \"%s\"", config->user);
      return FALSE;
    }
  identity->change = TRUE;
  identity->name = g_strdup (config->user);
  identity->uid = entry->pw_uid;
  identity->gid = entry->pw_gid;
  return TRUE;
}

void
supervisor_identity_clear (SupervisorIdentity *identity)
{
  g_clear_pointer (&identity->name, g_free);
}

gboolean
supervisor_identity_assume (const SupervisorIdentity *identity)
{
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
    return FALSE;
  if (!identity->change)
    return TRUE;
  if (initgroups (identity->name, identity->gid) < 0
      || setresgid (identity->gid, identity->gid, identity->gid) < 0
      || setresuid (identity->uid, identity->uid, identity->uid) < 0)
    return FALSE;
  if (setuid (0) == 0 && identity->uid != 0)
    {
      errno = EPERM; /* root came back: something is wrong with this system's rules */
      return FALSE;
    }
  return TRUE;
}
