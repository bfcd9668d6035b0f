using System.CommandLine;
using Masquerade.Cli;

[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

// The demo ends itself in order on Ctrl-C and SIGTERM; the default of two seconds would cut its cleaning up short.
var configuration = new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(20) };

// Exit codes: 2 is a mistake on the command line; the commands say what others of theirs mean.
var parsed = Commands.Create().Parse(args);
var code = await parsed.InvokeAsync(configuration);
return parsed.Errors.Count > 0 ? 2 : code;
