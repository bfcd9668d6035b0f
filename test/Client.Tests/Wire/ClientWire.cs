using System.Globalization;
using Masquerade.Client.Link;
using Masquerade.Core.Flow;

namespace Masquerade.Client.Tests.Wire;

/// <summary>
/// A client in a namespace of its own, whose wire is in the hands of the test, and another namespace with a host behind the access points. All of it goes with the test.
/// </summary>
internal sealed class ClientWire : IDisposable
{
    public const string Tap = "masq0";
    public const string HostAddress = "10.99.0.1";
    public const string ClientAddress = "10.99.0.2";
    public static readonly MacAddress Client = MacAddress.Parse("02:00:00:00:0a:0b");
    private static readonly MacAddress Host = MacAddress.Parse("02:00:00:00:0f:01");

    private static int s_number;
    private readonly string _number = string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId % 100_000}{Interlocked.Increment(ref s_number) % 100:D2}");

    public ClientWire()
    {
        Air = new TapDevice($"mqw{_number}", Client, 1_500);
        Behind = new TapDevice($"mqh{_number}", Host, 1_468);
        Ip("netns", "add", Namespace);
        Ip("netns", "add", HostNamespace);
        Move(Air, Namespace);
        Move(Behind, HostNamespace);
        Ip("-n", HostNamespace, "addr", "add", HostAddress + "/24", "dev", Behind.Name);
    }

    /// <summary>The client's namespace.</summary>
    public string Namespace => $"mqcl{_number}";

    /// <summary>The host's.</summary>
    public string HostNamespace => $"mqho{_number}";

    /// <summary>What the client sends and hears; its carrier is the link's.</summary>
    public TapDevice Air { get; }

    /// <summary>The host's interface, from the access point's side.</summary>
    public TapDevice Behind { get; }

    public static void Ip(params string[] arguments)
    {
        var (code, _, errors) = OutsideProgram.Run("ip", arguments);
        Assert.True(code == 0, $"ip {string.Join(' ', arguments)}: {errors}");
    }

    public void Dispose()
    {
        Air.Dispose();
        Behind.Dispose();
        Ip("netns", "delete", Namespace);
        Ip("netns", "delete", HostNamespace);
    }

    private static void Move(TapDevice device, string space)
    {
        Ip("link", "set", device.Name, "netns", space);
        Ip("-n", space, "link", "set", device.Name, "addrgenmode", "none");
        Ip("-n", space, "link", "set", device.Name, "up");
        device.SetCarrier(true);
    }
}
