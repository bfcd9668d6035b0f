using System.Net;
using System.Text.Json;
using Masquerade.Lab;
using Masquerade.Lab.Net;
using Masquerade.Lab.Radio;
using Masquerade.Lab.Scenario;
using Masquerade.Lab.Traffic;

namespace Masquerade.Namespaces.Tests;

/// <summary>The product's programs in namespaces, clients that move, and connections that are watched.</summary>
internal sealed class LabSite : IDisposable
{
    private static readonly TimeSpan Switch = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(45);
    private readonly List<LabConnection> _connections = [];
    private readonly Lazy<CoordinatorReader> _api;
    private readonly TimeSpan _patience = Patience;
    private int _port = 21_000;

    /// <param name="options">What the programs are told, once the network is there.</param>
    /// <param name="prepare">What else is to be in the network before the programs start; what it returns is ended with it.</param>
    /// <param name="sharedLink">Whether all access points are on one uplink.</param>
    /// <param name="offload">Whether hosts hand over unfinished checksums and TCP super-packets, as kernels do by default.</param>
    public LabSite(Func<LabTopology, DemoOptions> options, Func<LabTopology, IDisposable?>? prepare = null, bool sharedLink = false, bool offload = true)
    {
        Topology = new LabTopology(clients: 2, offload, sharedLink);
        _api = new Lazy<CoordinatorReader>(() => new CoordinatorReader(Topology.Coordinator, MasqueradeNetwork.FirstApiPort, _patience));
        try
        {
            Prepared = prepare?.Invoke(Topology);
            Radio = new SimulatedRadio(Topology, events: true);
            var told = options(Topology);
            _patience = told.IsEmulated ? 4 * Patience : Patience;
            Network = new MasqueradeNetwork(Topology, Radio, told with { LogDirectory = Environment.GetEnvironmentVariable("MASQ_LAB_LOGS") }, CancellationToken.None);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public LabTopology Topology { get; }

    public SimulatedRadio? Radio { get; }

    public MasqueradeNetwork? Network { get; }

    public IDisposable? Prepared { get; }

    public void Dispose()
    {
        _connections.ForEach(c => c.Dispose());
        if (_api.IsValueCreated)
        {
            _api.Value.Dispose();
        }

        Network?.Dispose();
        Radio?.Dispose();
        Prepared?.Dispose();
        Topology.Dispose();
    }

    /// <summary>A site whose access points take over each other's addresses: on one uplink, or across links by a command that changes routes.</summary>
    public static LabSite WithTakeover(bool sharedLink, DemoOptions? options = null) => new(
        _ => (options ?? new DemoOptions()) with { RouteCommand = !sharedLink }, sharedLink: sharedLink);

    /// <summary>The access point that the router sends an address's packets to, 0 is AP1; -1 if it does not know.</summary>
    public int OwnerOf(IPAddress address)
    {
        if (Topology.SharedUplink)
        {
            var neighbour = Tool.Run("ip", ["-n", Topology.Router.Name, "neigh", "show", address.ToString(), "dev", "ubr"]);
            return Enumerable.Range(0, LabTopology.AccessPointCount).Where(k => neighbour.Contains(LabTopology.UplinkMac(k), StringComparison.Ordinal)).DefaultIfEmpty(-1).First();
        }

        var route = Tool.Run("ip", ["-n", Topology.Router.Name, "route", "get", address.ToString()]);
        return Enumerable.Range(0, LabTopology.AccessPointCount).Where(k => route.Contains($"dev u{k + 1} ", StringComparison.Ordinal)).DefaultIfEmpty(-1).First();
    }

    /// <summary>A server's endpoint that no other connection has.</summary>
    public IPEndPoint Server(bool ipv6) => new(ipv6 ? LabTopology.ServerAddress6 : LabTopology.ServerAddress, _port++);

    /// <summary>A connection that is watched from now on.</summary>
    public T Add<T>(T connection)
        where T : LabConnection
    {
        _connections.Add(connection);
        connection.Start();
        return connection;
    }

    /// <summary>A conversation that has come about.</summary>
    public PingPong Open(string name, int client, bool ipv6)
    {
        var flow = Add(new PingPong(Topology, name, client, Server(ipv6), 4_096, TimeSpan.FromMilliseconds(10)));
        WaitFor(() => flow.Bytes > 20_000, $"{name} does not come about: {flow.Health} {flow.Failure}");
        return flow;
    }

    public void Move(int client, int to)
    {
        // On a thread of its own, because moving wants a real-time priority, which must not stay with this one.
        var thread = new Thread(() =>
        {
            LabClock.MakeThreadPrompt();
            Radio!.Move(client, to, Switch);
        })
        { IsBackground = true };
        thread.Start();
        thread.Join();
    }

    /// <summary>Every connection, or those that are given, goes on.</summary>
    /// <param name="when">When that is, for the message.</param>
    /// <param name="within">How long that takes at most on a machine that nobody else uses; three times that is waited. How long it really takes is measured by the demonstration, not here.</param>
    /// <param name="connections">Those; every one of the site if none is given.</param>
    public void Progress(string when, TimeSpan within, params LabConnection[] connections)
    {
        var since = LabClock.Now;
        within *= 3;
        WaitFor(() => (connections.Length == 0 ? _connections : (IEnumerable<LabConnection>)connections).All(c => c.LastProgress > since), $"{when} a connection does not go on", within);
    }

    public void WaitFor(Func<bool> condition, string otherwise, TimeSpan? within = null)
    {
        var deadline = LabClock.Now + ((within ?? _patience).Ticks * 100);
        while (!condition())
        {
            Assert.Null(Network?.Failure);
            if (LabClock.Now > deadline)
            {
                Assert.Fail($"{otherwise}: {string.Join("; ", _connections.Select(c => $"{c.Name} {c.Health} {c.Failure} {(LabClock.Now - c.LastProgress) / 1e6:F0} ms ago"))}");
            }

            Thread.Sleep(10);
        }
    }

    /// <summary>How an access point (0 is AP1) says it is doing, on its control socket.</summary>
    public JsonElement Status(int accessPoint) => Network!.Status(accessPoint);

    /// <summary>A document of the coordinator's API.</summary>
    public JsonElement Ask(string path) => Say(HttpMethod.Get, path);

    /// <summary>Has the coordinator do something, by its API.</summary>
    public JsonElement Post(string path) => Say(HttpMethod.Post, path);

    /// <summary>Has the coordinator undo something.</summary>
    public JsonElement Delete(string path) => Say(HttpMethod.Delete, path);

    /// <summary>Has the coordinator replace a document.</summary>
    public JsonElement Put(string path, string body) => Say(HttpMethod.Put, path, body);

    /// <summary>What the coordinator's API says, whatever it is.</summary>
    public string AskText(string path) => _api.Value.Say(HttpMethod.Get, path).Text;

    private JsonElement Say(HttpMethod method, string path, string body = "") => JsonElement.Parse(_api.Value.Say(method, path, body).Text);

    /// <summary>Every connection ends in order, every octet verified.</summary>
    public void Finish()
    {
        _connections.ForEach(c => c.Stop());
        var deadline = LabClock.Now + LabClock.Milliseconds(4_000);
        _connections.ForEach(c => c.Complete(deadline));
        Assert.All(_connections, c => Assert.Equal(ConnectionHealth.Finished, c.Health));
    }
}
