/* Threads that work on the same steps, one after the other, and share the units of each. */

typedef struct {
    _Atomic int64_t at;   /* the step, times 2³², and its next unit; negative: not begun */
    _Atomic int64_t done; /* units of the step that are finished */
    _Atomic int64_t failed;
    void *memory;
} Team;

EXPORT int64_t groupscat_team_bytes(void) { return sizeof(Team); }

EXPORT void groupscat_team_start(Team *team)
{
    atomic_init(&team->at, -1);
    atomic_init(&team->done, 0);
    atomic_init(&team->failed, 0);
    team->memory = 0;
}

/* Calls that some threads make, each by whoever comes first; those who come late have nothing to do. */
typedef struct {
    _Atomic int64_t next;
    int64_t count;
    void (*call)(int64_t);
} Turns;

EXPORT void groupscat_take_turns(void *memory)
{
    Turns *turns = memory;
    for (int64_t k; (k = atomic_fetch_add(&turns->next, 1)) < turns->count;)
        turns->call(k);
}

/* A short wait; after some of them other threads get the core. */
static void rest(int64_t *idle)
{
    for (volatile int i = 0; i < 32; i++)
        ;
    if (++*idle > 256)
        give_way();
}
