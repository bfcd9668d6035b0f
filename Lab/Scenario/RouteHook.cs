using System.Globalization;
using System.Net;
using Masquerade.Lab.Net;

namespace Masquerade.Lab.Scenario;

/// <summary>
/// What an operator would do with a routing daemon: the command that access points run when they take an address. It gives the router a host route to the
/// access point that has the address, or none where the subnet's own route leads to it, and writes down when.
/// </summary>
internal sealed class RouteHook
{
    private readonly LabTopology _topology;
    private readonly string _log;

    public RouteHook(LabTopology topology)
    {
        _topology = topology;
        _log = Path.Combine(topology.ScratchDirectory, "routes.log");
        File.WriteAllText(_log, string.Empty);
    }

    /// <summary>Writes the program for an access point (0 is AP1) and returns its path.</summary>
    public string Write(int accessPoint)
    {
        var k = accessPoint + 1;
        var path = Path.Combine(_topology.ScratchDirectory, $"ap{k}", "route");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, $"""
            #!/bin/sh
            test "$1" = take || exit 0
            echo "$(date +%s%N) {accessPoint} $2" >> {_log}
            case "$2" in
              10.1.{k}.*|fd00:10:1:{k}:*) ip -n {_topology.Router.Name} route del "$2" 2>/dev/null; exit 0 ;;
              *:*) exec ip -n {_topology.Router.Name} route replace "$2" via fd00:10:1:{k}::10 dev u{k} ;;
              *) exec ip -n {_topology.Router.Name} route replace "$2" via 10.1.{k}.10 dev u{k} ;;
            esac
            """ + "\n");
        Tool.Run("chmod", ["700", path]);
        return path;
    }

    /// <summary>Who took which address when, so far.</summary>
    public AddressOwners Read()
    {
        var owners = new AddressOwners();
        var offset = LabClock.RealtimeOffset();
        foreach (var line in File.ReadAllLines(_log))
        {
            var words = line.Split(' ');
            if (words.Length == 3)
            {
                owners.Take(IPAddress.Parse(words[2]), int.Parse(words[1], CultureInfo.InvariantCulture), long.Parse(words[0], CultureInfo.InvariantCulture) - offset);
            }
        }

        return owners;
    }
}
