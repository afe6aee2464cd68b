// The arrows between the rooms: who may import whom. docs/architecture.md says why.

const rooms = ['runtime', 'protocols', 'topologies', 'datapath', 'controller', 'lab', 'cli']

/** `from` may import itself and `allowed`, and no other room. */
const arrow = (name, from, allowed, exceptions = {}) => ({
  name,
  severity: 'error',
  comment: `${from} may import ${['itself', ...allowed].join(', ')} and libraries`,
  from: { path: `^${from}/`, ...exceptions },
  to: { path: `^(${rooms.filter((room) => !from.startsWith(room) && !allowed.includes(room)).join('|')})/` },
})

module.exports = {
  forbidden: [
    arrow('runtime-stands-alone', 'runtime', []),
    arrow('protocols-stand-alone', 'protocols', ['runtime']),
    arrow('topologies-know-protocols', 'topologies', ['protocols', 'runtime']),
    arrow('datapath-knows-protocols', 'datapath', ['protocols', 'runtime'], { pathNot: '^datapath/emulator/' }),
    arrow('emulator-knows-topologies', 'datapath/emulator', ['protocols', 'topologies', 'runtime']),
    arrow('controller-knows-protocols-and-topologies', 'controller', ['protocols', 'topologies', 'runtime']),
    arrow('lab-is-not-a-command', 'lab', ['protocols', 'topologies', 'datapath', 'controller', 'runtime']),
    {
      name: 'switch-knows-no-emulator',
      severity: 'error',
      comment: 'a switch runs alone as well; the emulator is built on it',
      from: { path: '^datapath/', pathNot: '^datapath/emulator/' },
      to: { path: '^datapath/emulator/' },
    },
    {
      name: 'bytes-and-values-only',
      severity: 'error',
      comment: 'protocols and the frame path open no socket and no file; those come as arguments.',
      from: { path: '^(protocols|datapath|controller/(apps|reconcile|migration))/' },
      to: { dependencyTypes: ['core'], path: '^(node:)?(net|dgram|http|https|tls|fs|fs/promises|child_process)$' },
    },
    {
      name: 'no-circles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-circles-of-types',
      severity: 'error',
      comment:
        'but among these: a walk does actions, which lead it on; an entrance has megaflows, each of which knows its entrance',
      from: { pathNot: '^datapath/(pipeline/(walk|actions)|cache/(megaflows?|entrance))[.]ts$' },
      to: { circular: true },
    },
    {
      name: 'production-needs-no-tools',
      severity: 'error',
      comment: 'what ships imports only what `dependencies` installs',
      from: { path: `^(${rooms.join('|')})/` },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'nothing-imports-tests',
      severity: 'error',
      from: { path: `^(${rooms.join('|')})/` },
      to: { path: '^(tests|bench|scripts)/' },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|protocols/control/generated)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
}
