// Preloaded into the program: tells what it does to names and what it brings to the disk, in the order
// in which it does, and keeps what was synced when its last name goes.
//
// A line is: operation, thread, inode, size, path; and for a rename the path before.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

// A change of a name and its line are one step: else a file could be told of before its folder.
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static int log_file(void) {
  static int fd = -1;
  if (fd < 0) {
    const char *path = getenv("DISK_TRACE");
    if (path) fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  }
  return fd;
}

static void of_fd(int fd, char *out) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, out, PATH_MAX - 1);
  out[length < 0 ? 0 : length] = 0;
}

static void absolute(int dir, const char *path, char *out) {
  if (path[0] == '/') {
    snprintf(out, PATH_MAX, "%s", path);
    return;
  }
  char base[PATH_MAX];
  if (dir == AT_FDCWD) {
    if (!getcwd(base, sizeof base)) base[0] = 0;
  } else {
    of_fd(dir, base);
  }
  snprintf(out, PATH_MAX, "%.2000s/%.2000s", base, path);
}

static void tell(const char *operation, unsigned long inode, long size, const char *path, const char *before) {
  int saved = errno;
  char line[3 * PATH_MAX];
  int length = snprintf(line, sizeof line, "%s\t%ld\t%lu\t%ld\t%s\t%s\n", operation, (long)syscall(SYS_gettid),
                        inode, size, path, before);
  if (log_file() >= 0) syscall(SYS_write, log_file(), line, length);
  errno = saved;
}

static void tell_named(const char *operation, int dir, const char *path, const char *before) {
  int saved = errno;
  char full[PATH_MAX];
  struct stat found;
  absolute(dir, path, full);
  if (fstatat(AT_FDCWD, full, &found, AT_SYMLINK_NOFOLLOW)) memset(&found, 0, sizeof found);
  tell(operation, found.st_ino, found.st_size, full, before);
  errno = saved;
}

#define OPENAT(name) \
  int name(int dir, const char *path, int flags, ...) { \
    REAL(name); \
    va_list more; \
    va_start(more, flags); \
    mode_t mode = (flags & O_CREAT) ? va_arg(more, mode_t) : 0; \
    va_end(more); \
    if (!(flags & O_CREAT)) return real(dir, path, flags, mode); \
    pthread_mutex_lock(&one_at_a_time); \
    int fd = real(dir, path, flags, mode); \
    if (fd >= 0) tell_named("create", dir, path, ""); \
    pthread_mutex_unlock(&one_at_a_time); \
    return fd; \
  }

OPENAT(openat)
OPENAT(openat64)

#define OPEN(name, at) \
  int name(const char *path, int flags, ...) { \
    va_list more; \
    va_start(more, flags); \
    mode_t mode = (flags & O_CREAT) ? va_arg(more, mode_t) : 0; \
    va_end(more); \
    return at(AT_FDCWD, path, flags, mode); \
  }

OPEN(open, openat)
OPEN(open64, openat64)

#define SYNC(name) \
  int name(int fd) { \
    REAL(name); \
    char path[PATH_MAX], kept[PATH_MAX], link[64]; \
    struct stat found; \
    of_fd(fd, path); \
    if (fstat(fd, &found)) memset(&found, 0, sizeof found); \
    const char *vault = getenv("DISK_VAULT"); \
    if (vault && S_ISREG(found.st_mode)) { \
      snprintf(kept, sizeof kept, "%s/%lu", vault, (unsigned long)found.st_ino); \
      snprintf(link, sizeof link, "/proc/self/fd/%d", fd); \
      syscall(SYS_linkat, AT_FDCWD, link, AT_FDCWD, kept, AT_SYMLINK_FOLLOW); \
    } \
    tell("sync", found.st_ino, found.st_size, path, ""); \
    int done = real(fd); \
    if (!done) tell("synced", found.st_ino, found.st_size, path, ""); \
    return done; \
  }

SYNC(fsync)
SYNC(fdatasync)

int linkat(int from_dir, const char *from, int dir, const char *to, int flags) {
  REAL(linkat);
  pthread_mutex_lock(&one_at_a_time);
  int done = real(from_dir, from, dir, to, flags);
  if (!done) tell_named("link", dir, to, "");
  pthread_mutex_unlock(&one_at_a_time);
  return done;
}

int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int renameat2(int from_dir, const char *from, int dir, const char *to, unsigned flags) {
  char before[PATH_MAX];
  absolute(from_dir, from, before);
  pthread_mutex_lock(&one_at_a_time);
  int done = (int)syscall(SYS_renameat2, from_dir, from, dir, to, flags);
  if (!done) tell_named("rename", dir, to, before);
  pthread_mutex_unlock(&one_at_a_time);
  return done;
}

int renameat(int from_dir, const char *from, int dir, const char *to) { return renameat2(from_dir, from, dir, to, 0); }

int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

int mkdirat(int dir, const char *path, mode_t mode) {
  REAL(mkdirat);
  pthread_mutex_lock(&one_at_a_time);
  int done = real(dir, path, mode);
  if (!done) tell_named("mkdir", dir, path, "");
  pthread_mutex_unlock(&one_at_a_time);
  return done;
}

int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int unlinkat(int dir, const char *path, int flags) {
  REAL(unlinkat);
  pthread_mutex_lock(&one_at_a_time);
  int done = real(dir, path, flags);
  if (!done) tell_named("unlink", dir, path, "");
  pthread_mutex_unlock(&one_at_a_time);
  return done;
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
