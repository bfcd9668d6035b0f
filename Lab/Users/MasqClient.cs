using System.Text.Json;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;

namespace Masquerade.Lab.Users;

/// <summary><c>masq client</c> on a client's wire: its link to the access points is protected, and the client's addresses are on its TAP interface.</summary>
internal sealed class MasqClient : IDisposable
{
    /// <summary>The TAP interface.</summary>
    public const string Tap = "masq0";

    private readonly Companion _program;
    private readonly List<JsonElement> _events = [];
    private readonly NetNamespace _client;
    private readonly int _number;
    private readonly string _passwordFile;

    /// <param name="heard">Is given what it says; null: nobody listens.</param>
    /// <param name="client">The client.</param>
    /// <param name="number">The client's number, from 0.</param>
    /// <param name="user">The user.</param>
    /// <param name="password">His password.</param>
    /// <param name="authority">The file with the certificate of the server's authority.</param>
    /// <param name="serverName">The server's name.</param>
    public MasqClient(Action<string>? heard, NetNamespace client, int number, string user, string password, string authority, string serverName)
    {
        (_client, _number) = (client, number);
        _passwordFile = Path.GetTempFileName();
        File.WriteAllText(_passwordFile, password);
        _program = new Companion(
            client,
            line =>
            {
                Hear(line);
                heard?.Invoke(line);
            },
            "dotnet", ProgramLocator.Client(), "client", "--json", "--interface", "eth0", "--identity", user, "--anonymous", "anonymous", "--method", "ttls-mschapv2", "--password-file", _passwordFile, "--ca",
            authority, "--server-name", serverName, "--tap", Tap);
    }

    /// <summary>What it has told so far, in order.</summary>
    public IReadOnlyList<JsonElement> Events
    {
        get
        {
            lock (_events)
            {
                return [.. _events];
            }
        }
    }

    /// <summary>Whether it has ended.</summary>
    public bool HasEnded => _program.HasEnded;

    /// <summary>The events of a name.</summary>
    public IReadOnlyList<JsonElement> Told(string name) => [.. Events.Where(e => e.GetProperty("event").ValueEquals(name))];

    /// <summary>Ends it in order: it logs off.</summary>
    public void Interrupt() => _program.Interrupt();

    /// <inheritdoc/>
    public void Dispose()
    {
        _program.Dispose();
        File.Delete(_passwordFile);
    }

    private void Hear(string line)
    {
        if (!line.StartsWith('{'))
        {
            return;
        }

        var told = JsonElement.Parse(line);
        lock (_events)
        {
            if (_events.Count == 0)
            {
                MoveAddresses();
            }

            _events.Add(told);
        }
    }

    // The interface below has none: what it sent would be in the clear.
    private void MoveAddresses()
    {
        Tool.IpBatch(
            _client.Name,
            "addr flush dev eth0",
            $"addr add {LabTopology.ClientAddress(_number)}/24 dev {Tap}",
            $"addr add {LabTopology.ClientAddress6(_number)}/64 dev {Tap} nodad",
            $"route replace default via {LabTopology.GatewayAddress} dev {Tap}",
            $"route replace default via fe80::1 dev {Tap}");
        _client.Sysctl("net.ipv6.conf.eth0.disable_ipv6=1");
    }
}
