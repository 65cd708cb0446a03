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

/* What a team does, step by step: every step has at least one unit, of which threads take `grain` at a time. */
typedef struct {
    int64_t steps;
    void *of; /* what the functions are told, by each thread */
    int64_t (*units)(void *of, int64_t step, int64_t *grain);
    int (*perform)(void *of, void *memory, int64_t step, int64_t first, int64_t stop);
} Job;

/* The share of one thread. The one that leads brings the memory of all, or NULL where there is none; one of the others
 * that is not `able` leaves the work to them. They may come late or never: nobody waits for a thread that has not begun.
 * 0 where memory ran out. */
static int work_together(Team *team, const Job *job, void *memory, int leads, int able)
{
    if (leads) {
        team->memory = memory;
        atomic_store(&team->failed, memory == 0);
        atomic_store(&team->at, memory ? 0 : job->steps << 32);
    } else if (!able)
        return 1;
    for (int64_t idle = 0;;) {
        int64_t at = atomic_load(&team->at), grain = 1;
        const int64_t step = at >> 32, first = at & 0xffffffff;
        if (at >= 0 && step >= job->steps)
            break;
        const int64_t units = at < 0 ? 0 : job->units(job->of, step, &grain);
        const int64_t stop = units - first < grain ? units : first + grain;
        if (first >= units || !atomic_compare_exchange_strong(&team->at, &at, step << 32 | stop)) {
            rest(&idle);
            continue;
        }
        idle = 0;
        if (!atomic_load(&team->failed) && !job->perform(job->of, team->memory, step, first, stop))
            atomic_store(&team->failed, 1);
        if (atomic_fetch_add(&team->done, stop - first) + stop - first == units) {
            atomic_store(&team->done, 0);
            atomic_store(&team->at, (step + 1) << 32);
        }
    }
    return !atomic_load(&team->failed);
}
