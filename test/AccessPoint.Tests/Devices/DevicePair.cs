using Masquerade.AccessPoint.Agent.Devices;

namespace Masquerade.AccessPoint.Tests.Devices;

/// <summary>Tests of two devices at the ends of one wire, each in a network namespace of its own.</summary>
public abstract class DevicePair<T> : IDisposable
    where T : class, IPacketDevice
{
    /// <param name="open">Opens the device of an interface of the calling thread's namespace.</param>
    protected DevicePair(Func<string, T> open)
    {
        try
        {
            Left.Connect("a0", Right, "b0");
            A = Left.Run(() => open("a0"));
            B = Right.Run(() => open("b0"));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private protected NetNamespace Left { get; } = new("left");

    private protected NetNamespace Right { get; } = new("right");

    protected T A { get; }

    protected T B { get; }

    public void Dispose()
    {
        A?.Dispose();
        B?.Dispose();
        Left.Dispose();
        Right.Dispose();
        GC.SuppressFinalize(this);
    }
}
