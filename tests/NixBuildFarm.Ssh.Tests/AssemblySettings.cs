using System.Runtime.Versioning;
using Xunit.Sdk;
using Xunit.v3;

// Each of these tests starts servers, and some count the threads, sockets and memory of the process.
[assembly: Parallelization(Mode = ParallelMode.None)]

// sshd, /proc and signals.
[assembly: SupportedOSPlatform("linux")]
