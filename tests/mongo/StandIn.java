import de.bwaldvogel.mongo.MongoBackend;
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import de.bwaldvogel.mongo.bson.Document;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;

/**
 * Stands in for MongoDB where there is no mongod: {@code java -cp 'JARS/*' StandIn.java PORT [FILE]}.
 * It keeps everything in memory, or in FILE, and prints one line with its address once it listens.
 *
 * <p>The server underneath is mended in three places. It tells clients a protocol version that today's drivers
 * still speak; one call at a time is carried out, and answered with a copy, because it hands out its live
 * documents, which another call may change before they are sent; and with a FILE, everything is committed
 * before it is answered, so that what was acknowledged outlives a kill.
 */
final class StandIn implements InvocationHandler {
  /** MongoDB 4.4, the oldest release that the adapter is meant for. */
  private static final int WIRE_VERSION = 9;

  private final MongoBackend backend;

  private StandIn(MongoBackend backend) {
    this.backend = backend;
  }

  public static void main(String[] arguments) throws InterruptedException {
    MongoBackend backend = arguments.length < 2 ? new MemoryBackend() : new H2Backend(arguments[1]);
    Object mended = Proxy.newProxyInstance(StandIn.class.getClassLoader(), new Class<?>[] {MongoBackend.class}, new StandIn(backend));
    MongoServer server = new MongoServer((MongoBackend) mended);
    server.bind("127.0.0.1", Integer.parseInt(arguments[0]));
    Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
    System.out.println("mongodb://127.0.0.1:" + server.getLocalAddress().getPort());
    Thread.currentThread().join();
  }

  @Override
  public synchronized Object invoke(Object proxy, Method method, Object[] arguments) throws Throwable {
    Object answer;
    try {
      answer = method.invoke(backend, arguments);
    } catch (InvocationTargetException thrown) {
      throw thrown.getCause();
    }
    if (backend instanceof H2Backend file && method.getName().startsWith("handle") && !method.getName().equals("handleClose")) {
      file.commit();
    }
    if (!(answer instanceof Document live)) {
      return answer;
    }
    Document copy = live.cloneDeeply();
    if (copy.containsKey("maxWireVersion")) {
      copy.put("maxWireVersion", WIRE_VERSION);
    }
    return copy;
  }
}
