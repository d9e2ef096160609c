/* Folders that must exist before the first message does. A folder that can not be looked at with
 * our rights is left to those who run with others. */
#include "supervisor/folders.h"

#include <errno.h>
#include <grp.h>
#include <sys/stat.h>

#include "base/log.h"

#define MAX_GROUPS 256 /* of the user that are looked at */

typedef struct
{
  const SupervisorIdentity *identity;
  ConfigErrors *errors;
} Check;

static gboolean
is_member (const SupervisorIdentity *identity, gid_t group)
{
  gid_t groups[MAX_GROUPS];
  int count = MAX_GROUPS;

  /* With more groups than we look at, nothing is clear. */
  if (getgrouplist (identity->name, identity->gid, groups, &count) < 0)
    return TRUE;
  for (int i = 0; i < count; i++)
    if (groups[i] == group)
      return TRUE;
  return FALSE;
}

/* By the mode alone; an access list shows there as the group's rights. */
static gboolean
may_write (const SupervisorIdentity *identity, const struct stat *status)
{
  const mode_t others = status->st_mode & S_IRWXO, group = (status->st_mode & S_IRWXG) >> 3;
  const mode_t needed = S_IWOTH | S_IXOTH;

  if (identity->uid == 0)
    return TRUE;
  if (identity->uid == status->st_uid)
    return (((status->st_mode & S_IRWXU) >> 6) & needed) == needed;
  if (is_member (identity, status->st_gid))
    return (group & needed) == needed;
  return (others & needed) == needed;
}

static void
check_folder (const Check *check, const gchar *path, const gchar *option, const ConfigPlace *place)
{
  struct stat status;

  if (stat (path, &status) < 0)
    {
      if (errno == ENOENT || errno == ENOTDIR)
        config_errors_add (check->errors, place, "%s: there is no folder \"%s\"", option, path);
    }
  else if (!S_ISDIR (status.st_mode))
    config_errors_add (check->errors, place, "%s: \"%s\" is no folder", option, path);
  else if (check->identity->change && !may_write (check->identity, &status))
    base_log (BASE_LOG_WARNING, "%s:%u:%u: %s: the user \"%s\" may not write to the folder \"%s\"",
              place->file, place->line, place->column, option, check->identity->name, path);
}

/* A Maildir that is there needs no parent that one may write to. */
static void
check_maildir (const Check *check, const gchar *path, const gchar *option, const ConfigPlace *place)
{
  g_autofree gchar *parent = g_path_get_dirname (path);
  struct stat status;

  if (stat (path, &status) == 0)
    check_folder (check, path, option, place);
  else
    check_folder (check, parent, option, place);
}

static void
warn_of_readers (const gchar *path, const ConfigBlock *block, const gchar *option)
{
  const ConfigPlace *place = config_block_place_of (block, option);
  struct stat status;

  if (stat (path, &status) == 0 && (status.st_mode & S_IROTH) != 0)
    base_log (BASE_LOG_WARNING, "%s:%u:%u: %s: everybody may read the password in \"%s\"",
              place->file, place->line, place->column, option, path);
}

/* Whoever reads the configuration has a password that stands in it. */
static void
check_secrets (const ConfigRoute *route)
{
  if (route->password_file != NULL)
    warn_of_readers (route->password_file, route->block, "password-file");
  if (route->password != NULL)
    warn_of_readers (config_block_place_of (route->block, "password")->file, route->block,
                     "password");
}

void
supervisor_folders_check (const Config *config, const SupervisorIdentity *identity,
                          ConfigErrors *errors)
{
  const Check check = { identity, errors };

  check_folder (&check, config->spool_directory, "spool-directory",
                config_block_place_of (config->tree, "spool-directory"));
  if (config->quarantine != NULL)
    check_maildir (&check, config->quarantine, "quarantine",
                   config_block_place_of (config->tree, "quarantine"));
  for (guint i = 0; i < config->routes->len; i++)
    {
      const ConfigRoute *route = g_ptr_array_index (config->routes, i);

      check_secrets (route);
      for (guint j = 0; j < route->n_destinations; j++)
        if (route->destinations[j].kind == CONFIG_DESTINATION_MAILDIR)
          check_maildir (&check, route->destinations[j].path, "to",
                         config_block_place_of_item (route->block, "to", j));
    }
}
